//! Every route, on one screen.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use bytes::Bytes;
use http::header::CONTENT_TYPE;

use crate::envelope::Envelope;
use crate::fallback::{no_such_method, no_such_path};
use crate::headers::{Stamp, own_headers};
use crate::socket::{self, SocketParts};
use crate::state::{ApiState, Shared};
use crate::v1::credentials;
use crate::v2::{
    access_tokens, challenges, entities, factors, forms, notifications, services, webhooks,
};
use crate::{openapi, ops};

/// The whole API, ready to be served. `others` are pages beside it that bring their own headers.
pub fn router(state: &Arc<ApiState>, others: Router) -> Router {
    let mut routes = api().merge(streams(&state.sockets)).merge(description());
    if state.options.ops_on_main {
        routes = routes.merge(ops::routes());
    }
    let routes = routes
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .with_state(Arc::clone(state))
        .merge(own_headers(others));
    Envelope::around(routes, Stamp::of(state), &state.options, &state.places, &state.abandoned)
}

fn api() -> Router<Shared> {
    let service = "/v2/Services/{ServiceSid}";
    let entity = format!("{service}/Entities/{{Identity}}");
    let factor = format!("{entity}/Factors/{{FactorSid}}");
    let challenge = format!("{entity}/Challenges/{{ChallengeSid}}");
    Router::new()
        // what an application sets up
        .route("/v2/Services", get(services::list).post(services::create))
        .route(service, get(services::fetch).post(services::update).delete(services::delete))
        .route(&format!("{service}/WebPushKey"), get(services::web_push_key))
        .route(&format!("{service}/Name"), get(services::name))
        .route(&format!("{service}/Webhooks"), get(webhooks::list).post(webhooks::create))
        .route(
            &format!("{service}/Webhooks/{{WebhookSid}}"),
            get(webhooks::fetch).post(webhooks::update).delete(webhooks::delete),
        )
        .route(&format!("{service}/Webhooks/{{WebhookSid}}/Secret"), get(webhooks::secret))
        .route("/v1/Credentials", get(credentials::list).post(credentials::create))
        .route(
            "/v1/Credentials/{CredentialSid}",
            get(credentials::fetch).post(credentials::update).delete(credentials::delete),
        )
        .route("/v2/Forms/{FormType}", get(forms::fetch))
        // whom it asks
        .route(&format!("{service}/Entities"), get(entities::list).post(entities::create))
        .route(&entity, get(entities::fetch).delete(entities::delete))
        .route(&format!("{service}/AccessTokens"), post(access_tokens::create))
        .route(&format!("{service}/AccessTokens/{{AccessTokenSid}}"), get(access_tokens::fetch))
        // what it asks, and how the push goes
        .route(
            &format!("{challenge}/Notifications"),
            get(notifications::list).post(notifications::create),
        )
        .route(&format!("{challenge}/Notifications/{{NotificationSid}}"), get(notifications::fetch))
        // applications and devices
        .route(&format!("{entity}/Factors"), get(factors::list).post(factors::create))
        .route(&factor, get(factors::fetch).post(factors::update).delete(factors::delete))
        .route(&format!("{entity}/Challenges"), get(challenges::list).post(challenges::create))
        .route(&challenge, get(challenges::fetch).post(challenges::update))
}

/// Devices, over a WebSocket: an upgraded GET, or CONNECT over HTTP/2.
fn streams(sockets: &Arc<SocketParts>) -> Router<Shared> {
    let path = "/v2/Services/{ServiceSid}/Entities/{Identity}/Factors/{FactorSid}/Stream";
    let stream = get(socket::stream).connect(socket::stream);
    Router::new().route(path, stream).with_state(Arc::clone(sockets))
}

/// The description of all this, for anybody; made when it is first asked for.
fn description() -> Router<Shared> {
    let text = Arc::new(OnceLock::<Bytes>::new());
    let fetch = async move |State(state): State<Shared>| {
        let text = text.get_or_init(|| openapi::text(state.public_url.as_str()).into());
        ([(CONTENT_TYPE, "application/json")], text.clone())
    };
    Router::new().route("/openapi.json", get(fetch))
}
