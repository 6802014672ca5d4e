//! Ours: how a service protects its people. An absent parameter changes nothing; an empty one leaves the value to the operator.

use axum::extract::State;
use countersign_domain::limits::Limits;
use countersign_domain::service::{Service, ServiceSettings};
use countersign_domain::service_protection::{
    PresenceMode, ProtectionParameter, ServiceLimit, ServiceProtection,
};
use countersign_domain::sid::{AccountSid, ServiceSid};
use countersign_domain::time::Instant;
use serde::Serialize;

use crate::auth::Application;
use crate::body::Form;
use crate::error::ApiError;
use crate::params::Params;
use crate::paths::PathParams;
use crate::reply::{self, ApiResult};
use crate::rows;
use crate::state::SharedState;
use crate::urls::PublicUrl;

const PRESENCE: (&str, &str) = ("Presence", "presence");
const USER_VERIFICATION: (&str, &str) = ("UserVerification", "user_verification");

/// The names of a limit: the parameter, and the property.
const fn names(limit: ServiceLimit) -> (&'static str, &'static str) {
    match limit {
        ServiceLimit::PendingMax => ("PendingMax", "pending_max"),
        ServiceLimit::InARowMax => ("InARowMax", "in_a_row_max"),
        ServiceLimit::QuietAfter => ("QuietAfter", "quiet_after"),
        ServiceLimit::InARowMinutes => ("InARowMinutes", "in_a_row_minutes"),
        ServiceLimit::PauseMinutes => ("PauseMinutes", "pause_minutes"),
        ServiceLimit::LongestPauseHours => ("LongestPauseHours", "longest_pause_hours"),
        ServiceLimit::ReportedPauseHours => ("ReportedPauseHours", "reported_pause_hours"),
    }
}

pub(crate) async fn fetch(
    State(state): State<SharedState>,
    Application(account): Application,
    PathParams((sid,)): PathParams<(ServiceSid,)>,
) -> ApiResult {
    let service = state.verify.service(account, sid).await?;
    reply::ok(&ServiceProtectionView::of(&service, state.verify.limits(), &state.public_url))
}

pub(crate) async fn update(
    State(state): State<SharedState>,
    Application(account): Application,
    PathParams((sid,)): PathParams<(ServiceSid,)>,
    form: Form,
) -> ApiResult {
    let params = form.params(&rows::PARAMETER)?;
    let edit = |settings: &mut ServiceSettings| change(&params, &mut settings.protection);
    let service = state.verify.update_service::<ApiError>(account, sid, edit).await?;
    reply::ok(&ServiceProtectionView::of(&service, state.verify.limits(), &state.public_url))
}

fn change(params: &Params<'_>, to: &mut ServiceProtection) -> Result<(), ApiError> {
    for parameter in ProtectionParameter::all() {
        let name = match parameter {
            ProtectionParameter::Presence => PRESENCE.0,
            ProtectionParameter::UserVerification => USER_VERIFICATION.0,
            ProtectionParameter::Limit(limit) => names(limit).0,
        };
        params.optional(name, |text| to.change(parameter, text))?;
    }
    Ok(())
}

#[derive(Serialize)]
struct ServiceProtectionView {
    account_sid: AccountSid,
    service_sid: ServiceSid,
    presence: Vec<&'static str>,
    user_verification: &'static str,
    pending_max: u32,
    in_a_row_max: u32,
    quiet_after: u32,
    in_a_row_minutes: u32,
    pause_minutes: u32,
    longest_pause_hours: u32,
    reported_pause_hours: u32,
    /// The properties that the service has set; all others are the operator's.
    own: Vec<&'static str>,
    date_updated: Instant,
    url: String,
}

impl ServiceProtectionView {
    fn of(service: &Service, limits: &Limits, base: &PublicUrl) -> Self {
        let protection = &service.settings.protection;
        let holds = |limit| protection.limit(limit, limits);
        let set = ServiceLimit::ALL.into_iter().filter(|limit| protection.own(*limit).is_some());
        let words = [
            protection.presence.as_ref().map(|_| PRESENCE.1),
            protection.user_verification.map(|_| USER_VERIFICATION.1),
        ];
        Self {
            account_sid: service.account,
            service_sid: service.sid,
            presence: protection.presence().iter().copied().map(PresenceMode::as_str).collect(),
            user_verification: protection.user_verification().as_str(),
            pending_max: holds(ServiceLimit::PendingMax),
            in_a_row_max: holds(ServiceLimit::InARowMax),
            quiet_after: holds(ServiceLimit::QuietAfter),
            in_a_row_minutes: holds(ServiceLimit::InARowMinutes),
            pause_minutes: holds(ServiceLimit::PauseMinutes),
            longest_pause_hours: holds(ServiceLimit::LongestPauseHours),
            reported_pause_hours: holds(ServiceLimit::ReportedPauseHours),
            own: words.into_iter().flatten().chain(set.map(|limit| names(limit).1)).collect(),
            date_updated: service.updated_at,
            url: format!("{}/Protection", base.service(service.sid)),
        }
    }
}

#[cfg(test)]
mod tests {
    use countersign_domain::text::ServiceName;
    use rstest::rstest;

    use super::*;
    use crate::tests::{at, base};

    const EVERYTHING: &str = "Presence=number,code&UserVerification=required&PendingMax=3&InARowMax=3&QuietAfter=1&InARowMinutes=20\
                              &PauseMinutes=30&LongestPauseHours=48&ReportedPauseHours=0";

    fn read(form: &str, to: &mut ServiceProtection) -> Result<(), ApiError> {
        change(&Params::parse(form.as_bytes(), &rows::PARAMETER)?, to)
    }

    fn view(protection: ServiceProtection) -> ServiceProtectionView {
        let mut settings = ServiceSettings::named(ServiceName::parse("owlbank").expect("a name"));
        settings.protection = protection;
        let service = Service {
            sid: "VA00000000000000000000000000000001".parse().expect("a SID"),
            account: "AC00000000000000000000000000000001".parse().expect("a SID"),
            settings,
            created_at: at(),
            updated_at: at(),
        };
        ServiceProtectionView::of(&service, &Limits::default(), &base())
    }

    #[test]
    fn as_configured() {
        insta::assert_json_snapshot!(view(ServiceProtection::default()));
    }

    #[test]
    fn set_by_the_service() {
        let mut protection = ServiceProtection::default();
        read(EVERYTHING, &mut protection).expect("a form");
        insta::assert_json_snapshot!(view(protection));
    }

    #[test]
    fn an_empty_parameter_leaves_a_value_to_the_operator() {
        let mut protection = ServiceProtection::default();
        read(EVERYTHING, &mut protection).expect("a form");
        read("InARowMax=9&InARowMinutes=", &mut protection).expect("a form");
        assert_eq!(protection.own(ServiceLimit::InARowMax), Some(9));
        assert_eq!(protection.own(ServiceLimit::InARowMinutes), None);
        assert_eq!(protection.own(ServiceLimit::PauseMinutes), Some(30), "it was not named");
        let names =
            EVERYTHING.split('&').filter_map(|pair| pair.split_once('=')).map(|pair| pair.0);
        let cleared: Vec<_> = names.map(|name| format!("{name}=")).collect();
        read(&cleared.join("&"), &mut protection).expect("a form");
        assert_eq!(protection, ServiceProtection::default());
    }

    #[rstest]
    #[case("Presence=numbers")]
    #[case("Presence=number,number")]
    #[case("Presence=none,code")]
    #[case("Presence=code&Presence=number")]
    #[case("UserVerification=preferred")]
    #[case("PendingMax=101")]
    #[case("InARowMax=101")]
    #[case("QuietAfter=101")]
    #[case("InARowMinutes=0")]
    #[case("InARowMinutes=61")]
    #[case("PauseMinutes=1441")]
    #[case("LongestPauseHours=721")]
    #[case("ReportedPauseHours=-1")]
    fn rejects(#[case] form: &str) {
        let rejected = read(form, &mut ServiceProtection::default()).expect_err(form);
        assert_eq!(rejected.code_and_text().0, 60306);
    }
}
