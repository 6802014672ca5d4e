//! Every route.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get, post};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, LOCATION, VARY};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::envelope::Envelope;
use crate::fallback::no_such_path;
use crate::headers::{HeaderWriter, own_headers};
use crate::routes::{self, Route};
use crate::socket::{self, SocketContext};
use crate::state::{ApiState, SharedState};
use crate::v1::credentials;
use crate::v2::{
    access_tokens, answer_proof, branding, challenge_context, challenge_groups, challenges,
    entities, entity_branding, factors, forms, integrations, notifications, presence, protection,
    service_protection, services, webhooks,
};
use crate::{openapi, ops, short_links};

/// The whole API, ready to be served. `pages` are served beside it and bring their own headers.
pub fn router(state: &Arc<ApiState>, pages: Router) -> Router {
    let ops = if state.options.ops_on_main { ops::routes() } else { Vec::new() };
    let routes = api(&state.sockets).into_iter().chain(ops);
    let routes = routes::router(routes).route("/", any(root));
    let routes = routes.route("/e/{code}", get(short_links::follow)).with_state(Arc::clone(state));
    let routes = routes.merge(own_headers(pages));
    Envelope::around(
        routes,
        HeaderWriter::of(state),
        &state.options,
        &state.limiter,
        &state.abandoned,
    )
}

/// Leads a browser to the page of the API. To all others nothing is here.
async fn root(method: Method, headers: HeaderMap) -> Response {
    let mut accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let is_browser = method == Method::GET && accepted.any(|kinds| kinds.contains("text/html"));
    let mut response = if is_browser {
        (StatusCode::SEE_OTHER, [(LOCATION, "reference")]).into_response()
    } else {
        no_such_path().await.into_response()
    };
    response.headers_mut().append(VARY, HeaderValue::from_static("Accept"));
    response
}

/// All routes but those of [`ops`].
pub(crate) fn api(sockets: &Arc<SocketContext>) -> Vec<Route> {
    [set_up(), enrolment(), challenges(), vec![stream(sockets), description()]].concat()
}

/// Resources that an application sets up.
fn set_up() -> Vec<Route> {
    vec![
        ("/v2/Services", get(services::list).post(services::create)),
        (
            "/v2/Services/{ServiceSid}",
            get(services::fetch).post(services::update).delete(services::delete),
        ),
        ("/v2/Services/{ServiceSid}/WebPushKey", get(services::web_push_key)),
        ("/v2/Services/{ServiceSid}/Name", get(services::name)),
        ("/v2/Services/{ServiceSid}/Branding", get(branding::fetch).post(branding::update)),
        ("/v2/Services/{ServiceSid}/Logos/{LogoHash}", get(branding::logo)),
        (
            "/v2/Services/{ServiceSid}/Entities/{Identity}/Branding",
            get(entity_branding::fetch).post(entity_branding::update),
        ),
        (
            "/v2/Services/{ServiceSid}/Protection",
            get(service_protection::fetch).post(service_protection::update),
        ),
        ("/v2/Services/{ServiceSid}/Webhooks", get(webhooks::list).post(webhooks::create)),
        (
            "/v2/Services/{ServiceSid}/Webhooks/{WebhookSid}",
            get(webhooks::fetch).post(webhooks::update).delete(webhooks::delete),
        ),
        ("/v2/Services/{ServiceSid}/Webhooks/{WebhookSid}/Secret", get(webhooks::secret)),
        (
            "/v2/Services/{ServiceSid}/Integrations",
            get(integrations::list).post(integrations::create),
        ),
        (
            "/v2/Services/{ServiceSid}/Integrations/{IntegrationSid}",
            get(integrations::fetch).post(integrations::update).delete(integrations::delete),
        ),
        (
            "/v2/Services/{ServiceSid}/Integrations/{IntegrationSid}/Secret",
            post(integrations::rotate),
        ),
        (
            "/v2/Services/{ServiceSid}/Integrations/{IntegrationSid}/Identity",
            get(integrations::identity),
        ),
        ("/v1/Credentials", get(credentials::list).post(credentials::create)),
        (
            "/v1/Credentials/{CredentialSid}",
            get(credentials::fetch).post(credentials::update).delete(credentials::delete),
        ),
        ("/v2/Forms/{FormType}", get(forms::fetch)),
    ]
}

/// Persons and their devices.
fn enrolment() -> Vec<Route> {
    vec![
        ("/v2/Services/{ServiceSid}/Entities", get(entities::list).post(entities::create)),
        (
            "/v2/Services/{ServiceSid}/Entities/{Identity}",
            get(entities::fetch).delete(entities::delete),
        ),
        (
            "/v2/Services/{ServiceSid}/Entities/{Identity}/Protection",
            get(protection::fetch).post(protection::update),
        ),
        ("/v2/Services/{ServiceSid}/AccessTokens", post(access_tokens::create)),
        ("/v2/Services/{ServiceSid}/AccessTokens/{AccessTokenSid}", get(access_tokens::fetch)),
        (
            "/v2/Services/{ServiceSid}/Entities/{Identity}/Factors",
            get(factors::list).post(factors::create),
        ),
        (
            "/v2/Services/{ServiceSid}/Entities/{Identity}/Factors/{FactorSid}",
            get(factors::fetch).post(factors::update).delete(factors::delete),
        ),
    ]
}

/// Challenges and their pushes.
fn challenges() -> Vec<Route> {
    vec![
        (
            "/v2/Services/{ServiceSid}/Entities/{Identity}/Challenges",
            get(challenges::list).post(challenges::create),
        ),
        (
            "/v2/Services/{ServiceSid}/Entities/{Identity}/Challenges/{ChallengeSid}",
            get(challenges::fetch).post(challenges::update),
        ),
        (
            "/v2/Services/{ServiceSid}/Entities/{Identity}/Challenges/{ChallengeSid}/Context",
            get(challenge_context::fetch),
        ),
        (
            "/v2/Services/{ServiceSid}/Entities/{Identity}/Challenges/{ChallengeSid}/Proof",
            get(answer_proof::fetch),
        ),
        (
            "/v2/Services/{ServiceSid}/Entities/{Identity}/ChallengeGroups",
            get(challenge_groups::list),
        ),
        (
            "/v2/Services/{ServiceSid}/Entities/{Identity}/ChallengeGroups/{ChallengeGroupSid}",
            get(challenge_groups::fetch),
        ),
        (
            "/v2/Services/{ServiceSid}/Entities/{Identity}/Challenges/{ChallengeSid}/Notifications",
            get(notifications::list).post(notifications::create),
        ),
        (
            "/v2/Services/{ServiceSid}/Entities/{Identity}/Challenges/{ChallengeSid}/Notifications/{NotificationSid}",
            get(notifications::fetch),
        ),
        (
            "/v2/Services/{ServiceSid}/Entities/{Identity}/Challenges/{ChallengeSid}/Presence",
            get(presence::fetch).post(presence::confirm),
        ),
    ]
}

/// The WebSocket of a device: an upgraded GET, or CONNECT over HTTP/2.
fn stream(sockets: &Arc<SocketContext>) -> Route {
    let handlers = get(socket::stream).connect(socket::stream);
    (
        "/v2/Services/{ServiceSid}/Entities/{Identity}/Factors/{FactorSid}/Stream",
        handlers.with_state(Arc::clone(sockets)),
    )
}

/// The description of the API. Its text is made at the first request.
fn description() -> Route {
    let text = Arc::new(OnceLock::<Bytes>::new());
    let fetch = async move |State(state): State<SharedState>| {
        let text = text.get_or_init(|| openapi::text(state.public_url.as_str()).into());
        ([(CONTENT_TYPE, "application/json")], text.clone())
    };
    ("/openapi.json", get(fetch))
}
