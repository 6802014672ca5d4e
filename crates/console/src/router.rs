//! Every route of the console, with the role that it needs.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter, on};
use countersign_web::compressed;
use http::header::{CACHE_CONTROL, RETRY_AFTER};
use http::{HeaderValue, Method};

use crate::access::{ADMIN, ANYBODY, Gate, HALF, Needs, OPERATE, READ, admit};
use crate::error::PageError;
use crate::files;
use crate::frame::{self, Frame, Section};
use crate::kept_form;
use crate::pages::{
    api_keys, audit, challenge, credential_form, credentials, devices, enrol, export,
    integration_form, integrations, invitations, link, live, log, operators, overview, pauses,
    people, protection, search, second_factor, service, services, sessions, sign_in, timeline,
    webhook_form, webhooks,
};
use crate::session::Operator;
use crate::state::{Console, SharedConsole};
use crate::way_back::WayBack;

/// A route.
pub(crate) struct Route {
    pub(crate) needs: Needs,
    pub(crate) method: Method,
    /// Its path, with the names of its parameters.
    pub(crate) path: String,
    handler: MethodRouter<SharedConsole>,
}

/// All routes, each with the role that it needs. No other code decides about roles: a form needs the role of its action.
pub(crate) fn routes() -> Vec<Route> {
    [general(), services(), integrations(), people(), credentials_and_keys(), webhooks()]
        .into_iter()
        .flatten()
        .collect()
}

/// Signing in, files, and what happened.
fn general() -> Vec<Route> {
    vec![
        get(ANYBODY, "/sign-in", sign_in::show),
        post(ANYBODY, "/sign-in", sign_in::enter),
        get(ANYBODY, "/enter", sign_in::by_link),
        get(ANYBODY, "/link", link::show),
        post(ANYBODY, "/link", link::enter),
        get(ANYBODY, "/files/{version}/{name}", files::file),
        get(ANYBODY, "/", overview::to_page),
        get(ANYBODY, "/{*rest}", nothing),
        post(ANYBODY, "/{*rest}", nothing),
        get(HALF, "/sign-in/device", second_factor::show),
        post(HALF, "/sign-in/device", second_factor::act),
        post(READ, "/sign-out", sign_in::leave),
        get(READ, "/sessions", sessions::show),
        post(READ, "/sessions/{session}/end", sessions::end),
        get(READ, "/audit", audit::show),
        get(READ, "/log", log::show),
        get(READ, "/log/{number}", log::entry),
        get(ADMIN, "/operators", operators::list),
        post(ADMIN, "/operators", operators::add),
        get(ADMIN, "/operators/{operator}", operators::show),
        post(ADMIN, "/operators/{operator}/role", operators::change_role),
        post(ADMIN, "/operators/{operator}/link", operators::link),
        post(ADMIN, "/operators/{operator}/sessions/end", operators::end_sessions),
        get(ADMIN, "/operators/{operator}/remove", operators::ask_remove),
        post(ADMIN, "/operators/{operator}/remove", operators::remove),
        get(READ, "", overview::show),
        get(READ, "/timeline", timeline::show),
        get(READ, "/timeline/live", live::stream),
        get(READ, "/timeline/export.csv", export::csv),
        get(READ, "/timeline/export.json", export::json),
        get(READ, "/search", search::show),
        get(READ, "/challenges/{challenge}", challenge::show),
    ]
}

fn services() -> Vec<Route> {
    vec![
        get(READ, "/services", services::list),
        get(READ, "/services/{service}", service::show),
        get(READ, "/services/{service}/protection", protection::show),
        post(ADMIN, "/services", services::create),
        post(ADMIN, "/services/{service}", service::update),
        post(ADMIN, "/services/{service}/protection", protection::update),
        get(ADMIN, "/services/{service}/delete", services::ask_delete),
        post(ADMIN, "/services/{service}/delete", services::delete),
    ]
}

fn integrations() -> Vec<Route> {
    let all = |path: &str| format!("/services/{{service}}/integrations{path}");
    let one = |path: &str| all(&format!("/{{integration}}{path}"));
    vec![
        get(READ, &all(""), integrations::list),
        post(ADMIN, &all(""), integration_form::create),
        get(ADMIN, &all("/new"), integration_form::show_new),
        get(READ, &one(""), integrations::show),
        get(ADMIN, &one("/edit"), integration_form::show),
        post(ADMIN, &one("/edit"), integration_form::update),
        get(ADMIN, &one("/secret"), integrations::ask_rotate),
        post(ADMIN, &one("/secret"), integrations::rotate),
        get(ADMIN, &one("/delete"), integrations::ask_delete),
        post(ADMIN, &one("/delete"), integrations::delete),
    ]
}

/// People and their devices.
fn people() -> Vec<Route> {
    let person = |path: &str| format!("/services/{{service}}/people/{{identity}}{path}");
    let device = |path: &str| person(&format!("/devices/{{device}}{path}"));
    vec![
        get(READ, &person(""), people::show),
        get(OPERATE, "/enrol", enrol::show),
        post(OPERATE, "/enrol", enrol::invite),
        get(OPERATE, &person("/invitations/{token}"), invitations::show),
        post(OPERATE, &person("/challenges"), devices::ask),
        get(OPERATE, &person("/pause"), pauses::ask),
        post(OPERATE, &person("/protection"), pauses::change),
        get(OPERATE, &person("/delete"), people::ask_delete),
        post(OPERATE, &person("/delete"), people::delete),
        get(OPERATE, &device("/name"), devices::ask_name),
        post(OPERATE, &device("/name"), devices::rename),
        get(OPERATE, &device("/remove"), devices::ask_remove),
        post(OPERATE, &device("/remove"), devices::remove),
    ]
}

fn credentials_and_keys() -> Vec<Route> {
    vec![
        get(READ, "/credentials", credentials::show),
        post(OPERATE, "/credentials/{credential}/test", credentials::test),
        get(ADMIN, "/credentials/new", credential_form::show_new),
        post(ADMIN, "/credentials", credential_form::create),
        get(ADMIN, "/credentials/{credential}", credential_form::show),
        post(ADMIN, "/credentials/{credential}", credential_form::update),
        get(ADMIN, "/credentials/{credential}/delete", credentials::ask_delete),
        post(ADMIN, "/credentials/{credential}/delete", credentials::delete),
        get(READ, "/api-keys", api_keys::show),
        post(ADMIN, "/api-keys", api_keys::create),
        get(ADMIN, "/api-keys/{key}/revoke", api_keys::ask_revoke),
        post(ADMIN, "/api-keys/{key}/revoke", api_keys::revoke),
    ]
}

fn webhooks() -> Vec<Route> {
    let webhook = |path: &str| format!("/webhooks/{{service}}/{{webhook}}{path}");
    vec![
        get(READ, "/webhooks", webhooks::show),
        get(READ, &webhook(""), webhooks::one),
        post(OPERATE, &webhook("/test"), webhook_form::test),
        post(OPERATE, &webhook("/resend"), webhooks::resend_all),
        post(OPERATE, &webhook("/calls/{call}/resend"), webhooks::resend),
        get(ADMIN, "/webhooks/new", webhook_form::show_new),
        post(ADMIN, "/webhooks", webhook_form::create),
        get(ADMIN, &webhook("/edit"), webhook_form::show),
        post(ADMIN, &webhook("/edit"), webhook_form::update),
        get(ADMIN, &webhook("/secret"), webhook_form::secret),
        get(ADMIN, &webhook("/delete"), webhook_form::ask_delete),
        post(ADMIN, &webhook("/delete"), webhook_form::delete),
    ]
}

fn get<T: 'static, H: Handler<T, SharedConsole>>(needs: Needs, path: &str, handler: H) -> Route {
    let handler = on(MethodFilter::GET, handler);
    Route { needs, method: Method::GET, path: format!("/console{path}"), handler }
}

fn post<T: 'static, H: Handler<T, SharedConsole>>(needs: Needs, path: &str, handler: H) -> Route {
    let handler = on(MethodFilter::POST, handler);
    Route { needs, method: Method::POST, path: format!("/console{path}"), handler }
}

/// All pages, ready to be merged with the API. They bring their own headers.
pub fn router(console: &Arc<Console>) -> Router {
    let add = |router: Router<SharedConsole>, route: Route| {
        let Route { needs, method, path, handler } = route;
        let gate = Gate { console: Arc::clone(console), needs, method, path: path.clone() };
        router.route(&path, handler.layer(from_fn_with_state(gate, admit)))
    };
    let router = routes().into_iter().fold(Router::new(), add);
    router.layer(from_fn_with_state(Arc::clone(console), finish)).with_state(Arc::clone(console))
}

async fn nothing() -> PageError {
    PageError::NotFound
}

/// Draws errors and sets the headers.
async fn finish(State(console): State<SharedConsole>, request: Request, next: Next) -> Response {
    let headers = request.headers().clone();
    let way_back = WayBack::of(&request);
    let mut response = next.run(request).await;
    way_back.follow(&mut response, &console);
    if let Some(error) = response.extensions_mut().remove::<PageError>() {
        response = draw(&console, &headers, &error).await;
        if error == PageError::SignedOut {
            way_back.note(&mut response, &console);
        }
    }
    let answer = response.headers_mut();
    files::POLICY.apply(answer);
    // Responses without a caching rule must not be stored.
    if !answer.contains_key(CACHE_CONTROL) {
        answer.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    // Parts of the address that a page repeats cannot be used to guess its form token by the length of the response: other sites' requests
    // have no session (`SameSite=Strict`).
    compressed(response, &headers).await
}

async fn draw(console: &Console, headers: &http::HeaderMap, error: &PageError) -> Response {
    if let PageError::Over(form) = error {
        return kept_form::page(form, headers, console).unwrap_or_default();
    }
    if let Some(way) = error.way() {
        return frame::go_whole(console, headers, way);
    }
    // Before the second factor nothing of the account is shown.
    let operator = Operator::of(headers, console).await.ok().filter(Operator::is_signed_in);
    let (title, text) = error.words();
    let frame = Frame::new(console, operator.as_ref(), Section::Nowhere);
    let template = crate::pages::ErrorPage { frame, title, text };
    let drawn = frame::page(error.status(), &template);
    let mut response = drawn.unwrap_or_default();
    if let Some(seconds) = error.retry_after() {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
