//! The partitions of the history, on PostgreSQL.

use crate::support::TestApp;

#[tokio::test]
async fn the_first_rows_of_a_new_database_are_stored_in_the_partitions_of_their_day() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let challenge = app.challenge(&phone, "Log in?").await;
    app.notify(&phone, &challenge, 300).await;
    let outside =
        "SELECT (SELECT count(*) FROM challenges_rest) + (SELECT count(*) FROM notifications_rest)";
    assert!(app.psql(outside).is_none_or(|rows| rows == "0"));
}
