//! The requests of the page.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Json;
use axum::extract::{ConnectInfo, RawQuery, Request, State};
use axum::response::{IntoResponse as _, Response};
use countersign_domain::integration::IntegrationKind;
use countersign_verify::OpenedIntegration;
use http::{Extensions, HeaderMap, StatusCode};

use super::ask::{Origin, push, shows_number, wanted};
use super::attempt::{Attempt, Proof};
use super::codes::Judged;
use super::door::SignInDoor;
use super::limits::Try;
use super::pages::{Content, Frame, Problem, available, dressed, not_asked};
use super::record::Outcome;
use super::request::{Named, SignInRequest};
use super::standing::{Approval, Standing};
use super::submitted::{Form, form_token, visit_cookie, visit_of};
use super::words::{fill, language};
use super::{back, looks, remembered};
use crate::cookies::set_cookie;
use crate::query::in_query;

/// The kinds of integrations that use the page.
const KINDS: [IntegrationKind; 3] =
    [IntegrationKind::ForwardAuth, IntegrationKind::OpenId, IntegrationKind::Duo];

type Door = State<Arc<SignInDoor>>;
type Answer = Result<Response, Problem>;

/// A request of a browser.
struct Visitor<'a> {
    door: &'a SignInDoor,
    frame: Frame<'a>,
    headers: HeaderMap,
    address: Option<IpAddr>,
}

impl<'a> Visitor<'a> {
    fn of(door: &'a SignInDoor, headers: &HeaderMap, extensions: &Extensions) -> Self {
        let address = extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        let frame = Frame { base: door.base(), language: language(headers) };
        Self { door, frame, headers: headers.clone(), address }
    }

    fn answer(&self, answer: Answer) -> Response {
        answer.unwrap_or_else(|problem| self.frame.problem(problem))
    }

    /// The integration of a request, if it may be used from here.
    async fn integration(
        &self,
        request: &SignInRequest,
    ) -> Result<Arc<OpenedIntegration>, Problem> {
        let found = self.door.verify.named_integration(&KINDS, &request.key).await;
        let opened = available(found)?.ok_or(Problem::Gone)?;
        let networks = &opened.integration.settings.networks;
        // Those of other kinds are the networks of their clients, not of browsers.
        let is_open = opened.integration.kind != IntegrationKind::ForwardAuth;
        let is_here =
            is_open || networks.is_empty() || self.address.is_some_and(|from| networks.allow(from));
        if is_here { Ok(opened) } else { Err(Problem::NotFromHere) }
    }

    /// The user name that this browser is remembered for.
    fn known(&self, opened: &OpenedIntegration) -> Option<String> {
        let (now, is_https) = (self.door.verify.now(), self.door.is_https());
        remembered::user(&self.headers, opened, now, is_https)
    }

    fn origin(&self) -> Origin {
        Origin { address: self.address, browser: looks::browser(&self.headers) }
    }

    fn heading(&self, opened: &OpenedIntegration) -> String {
        let name = opened.integration.settings.friendly_name.as_str();
        fill(&self.frame.language.words.heading, "name", name)
    }

    /// Asks who somebody is.
    fn who(&self, opened: &OpenedIntegration, request: &SignInRequest, visit: &str) -> Response {
        let content = Content::Who {
            request: request.seal(&self.door.verify),
            form_token: form_token(&self.door.verify, visit),
            user: match &request.named {
                Named::Nobody => self.known(opened).unwrap_or_default(),
                Named::Suggested(user) | Named::Vouched(user) => user.clone(),
            },
            is_vouched: matches!(request.named, Named::Vouched(_)),
            is_missing: false,
        };
        self.frame.page(StatusCode::OK, self.heading(opened), content)
    }

    /// Counts a try as a user.
    fn count(
        &self,
        what: Try,
        opened: &OpenedIntegration,
        user: &str,
        is_known: bool,
    ) -> Result<(), Problem> {
        let name = opened.integration.settings.users.canonical_name(user);
        let (user, now) = ((opened.integration.sid, name), self.door.verify.monotonic());
        let counted = self.door.limits.count(what, self.address, user, is_known, now);
        counted.map_err(|left| {
            Outcome::Throttled.record(&opened.integration);
            Problem::TooMany(left)
        })
    }
}

/// `GET /sign-in`: asks who somebody is. Sends nothing: browsers fetch pages ahead, and reopen them.
pub(super) async fn who(
    State(door): Door,
    RawQuery(query): RawQuery,
    request: Request,
) -> Response {
    let visitor = Visitor::of(&door, request.headers(), request.extensions());
    let answer = async {
        let sealed = in_query(query.as_deref(), "r");
        let request = SignInRequest::open(&door.verify, &sealed).ok_or(Problem::Gone)?;
        let opened = visitor.integration(&request).await?;
        let is_https = door.is_https();
        // Two windows of a browser share it, so that they do not invalidate each other's forms.
        let known = visit_of(&visitor.headers, is_https).map(str::to_owned);
        let visit = known.unwrap_or_else(|| door.verify.nonce());
        let mut response = visitor.who(&opened, &request, &visit);
        let name = visit_cookie(is_https);
        set_cookie(response.headers_mut(), &name, &visit, None, is_https);
        Ok(response)
    };
    let answer = answer.await;
    visitor.answer(answer)
}

/// `POST /sign-in/ask`: has the devices of a user ask. For a stranger the response is made before anybody looks whether there is
/// such a user.
pub(super) async fn ask(State(door): Door, request: Request) -> Response {
    let visitor = Visitor::of(&door, request.headers(), request.extensions());
    let answer = async {
        let form = Form::read(&door.verify, request, door.is_https()).await?;
        let wanted = SignInRequest::open(&door.verify, form.text("r")).ok_or(Problem::Gone)?;
        let opened = visitor.integration(&wanted).await?;
        begin(&visitor, &door, &opened, wanted, &form).await
    };
    let answer = answer.await;
    visitor.answer(answer)
}

async fn begin(
    visitor: &Visitor<'_>,
    door: &Arc<SignInDoor>,
    opened: &Arc<OpenedIntegration>,
    request: SignInRequest,
    form: &Form,
) -> Answer {
    let vouched = match &request.named {
        Named::Vouched(user) => Some(user.clone()),
        Named::Nobody | Named::Suggested(_) => None,
    };
    let user = vouched.as_deref().unwrap_or_else(|| form.text("user"));
    if user.is_empty() {
        let content = Content::Who {
            request: request.seal(&door.verify),
            form_token: form_token(&door.verify, &form.visit),
            user: String::new(),
            is_vouched: false,
            is_missing: true,
        };
        return Ok(visitor.frame.page(StatusCode::OK, visitor.heading(opened), content));
    }
    let canonical = |user: &str| opened.integration.settings.users.canonical_name(user);
    let is_remembered = |known: String| canonical(&known) == canonical(user);
    let is_known = vouched.is_some() || visitor.known(opened).is_some_and(is_remembered);
    visitor.count(Try::Prompt, opened, user, is_known)?;
    let modes = available(wanted(&door.verify, opened, &request, is_known).await)?;
    let number = shows_number(&modes).then(|| door.verify.presence_number().value());
    let settings = &opened.integration.settings;
    let attempt = Attempt {
        request,
        user: user.chars().take(256).collect(),
        mark: door.verify.nonce(),
        number,
        until: door.verify.now().as_seconds() + i64::from(settings.prompt_seconds),
        visit: form.visit.clone(),
        remember: vouched.is_none() && form.text("remember") == "yes",
        proof: Proof::Asked,
    };
    Outcome::Asked.record(&opened.integration);
    let origin = visitor.origin();
    let page = visitor.frame.go(&format!("/sign-in/wait?a={}", attempt.seal(&door.verify)));
    if is_known {
        let asked = push(&door.verify, opened, &attempt, &modes, &origin).await;
        let words = &visitor.frame.language.words;
        let Err(error) = asked else { return Ok(page) };
        let why = not_asked(&error, words, &settings.friendly_name)?;
        let again = Some(attempt.request.seal(&door.verify));
        let content = Content::Over { why, again };
        return Ok(visitor.frame.page(StatusCode::OK, words.not_signed_in.clone(), content));
    }
    let permit = Arc::clone(&door.asking).try_acquire_owned();
    let permit = permit.map_err(|_| Problem::Unavailable)?;
    let (opened, asking) = (Arc::clone(opened), Arc::clone(door));
    door.tasks.spawn(async move {
        let _permit = permit;
        if let Err(error) = push(&asking.verify, &opened, &attempt, &modes, &origin).await {
            tracing::debug!(%error, integration = %opened.integration.sid, "a sign-in asked no device");
        }
    });
    Ok(page)
}

/// The attempt that a browser carries, with its integration.
async fn carried(
    visitor: &Visitor<'_>,
    sealed: &str,
) -> Result<(Attempt, Arc<OpenedIntegration>), Problem> {
    let visit = visit_of(&visitor.headers, visitor.door.is_https()).ok_or(Problem::Gone)?;
    let attempt = Attempt::open(&visitor.door.verify, sealed, visit).ok_or(Problem::Gone)?;
    let opened = visitor.integration(&attempt.request).await?;
    Ok((attempt, opened))
}

/// `GET /sign-in/wait`: where an attempt stands.
pub(super) async fn wait(
    State(door): Door,
    RawQuery(query): RawQuery,
    request: Request,
) -> Response {
    let visitor = Visitor::of(&door, request.headers(), request.extensions());
    let answer = async {
        let sealed = in_query(query.as_deref(), "a");
        let (attempt, opened) = carried(&visitor, &sealed).await?;
        let (standing, _) = available(door.look(&opened, &attempt).await)?;
        let is_wrong = in_query(query.as_deref(), "wrong") == "yes";
        shown(&visitor, &opened, &attempt, standing, is_wrong)
    };
    let answer = answer.await;
    visitor.answer(answer)
}

fn shown(
    visitor: &Visitor<'_>,
    opened: &OpenedIntegration,
    attempt: &Attempt,
    standing: Standing,
    is_wrong: bool,
) -> Answer {
    let (frame, verify) = (visitor.frame, &visitor.door.verify);
    let words = &frame.language.words;
    let sealed = attempt.seal(verify);
    let form_token = form_token(verify, &attempt.visit);
    let user = fill(&words.signing_in, "user", &attempt.user);
    let number = attempt.number;
    let (outcome, why) = match standing {
        Standing::Pending => {
            let content = Content::Wait { attempt: sealed, form_token, user, number, is_wrong };
            return Ok(frame.page(StatusCode::OK, words.check_device.clone(), content));
        }
        Standing::TypeCode(_) => {
            let content = Content::TypeCode { attempt: sealed, form_token, user, is_wrong };
            return Ok(frame.page(StatusCode::OK, visitor.heading(opened), content));
        }
        Standing::Approved(approval) => return done(visitor, opened, attempt, approval),
        Standing::Denied => (Outcome::Denied, &words.denied),
        Standing::WrongNumber => (Outcome::WrongNumber, &words.wrong_number),
        Standing::NotMe => (Outcome::NotMe, &words.not_me),
        Standing::Expired => (Outcome::Expired, &words.expired),
    };
    outcome.record(&opened.integration);
    let again = Some(attempt.request.seal(verify));
    let content = Content::Over { why: why.clone(), again };
    Ok(frame.page(StatusCode::OK, words.not_signed_in.clone(), content))
}

fn done(
    visitor: &Visitor<'_>,
    opened: &OpenedIntegration,
    attempt: &Attempt,
    approval: Approval,
) -> Answer {
    let (door, words) = (visitor.door, &visitor.frame.language.words);
    let to = back::address(&door.verify, opened, attempt, approval).ok_or(Problem::Gone)?;
    Outcome::SignedIn.record(&opened.integration);
    let content =
        Content::Done { to, place: fill(&words.continue_to, "place", back::place(attempt)) };
    let mut response = visitor.frame.page(StatusCode::OK, words.signed_in.clone(), content);
    if attempt.remember {
        let (now, is_https) = (door.verify.now(), door.is_https());
        remembered::remember(response.headers_mut(), opened, &attempt.user, now, is_https);
    }
    Ok(response)
}

/// `GET /sign-in/poll`: waits for news of an attempt. `{"standing":"pending"}`, or `changed`.
pub(super) async fn poll(
    State(door): Door,
    RawQuery(query): RawQuery,
    request: Request,
) -> Response {
    let visitor = Visitor::of(&door, request.headers(), request.extensions());
    let answer = async {
        let sealed = in_query(query.as_deref(), "a");
        let (attempt, opened) = carried(&visitor, &sealed).await?;
        let place = door.places_of(&attempt.mark).try_acquire_owned();
        let standing = match place {
            Ok(_place) => available(door.wait(&opened, &attempt).await)?,
            Err(_) => Standing::Pending,
        };
        let word = if standing == Standing::Pending { "pending" } else { "changed" };
        Ok(dressed(Json(serde_json::json!({ "standing": word })).into_response()))
    };
    let answer = answer.await;
    visitor.answer(answer)
}

/// `POST /sign-in/code`: judges a code.
pub(super) async fn code(State(door): Door, request: Request) -> Response {
    let visitor = Visitor::of(&door, request.headers(), request.extensions());
    let answer = async {
        let form = Form::read(&door.verify, request, door.is_https()).await?;
        let (attempt, opened) = carried(&visitor, form.text("a")).await?;
        visitor.count(Try::Code, &opened, &attempt.user, false)?;
        let judged = door.judge(&opened, &attempt, form.text("code"), &visitor.origin()).await;
        let (attempt, wrong) = match available(judged)? {
            Judged::Confirmed => (attempt, ""),
            Judged::Right => {
                let at = door.verify.now().as_seconds();
                (Attempt { proof: Proof::Code { at }, ..attempt }, "")
            }
            Judged::Wrong => {
                Outcome::WrongCode.record(&opened.integration);
                (attempt, "&wrong=yes")
            }
        };
        let sealed = attempt.seal(&door.verify);
        Ok(visitor.frame.go(&format!("/sign-in/wait?a={sealed}{wrong}")))
    };
    let answer = answer.await;
    visitor.answer(answer)
}

/// `GET /sign-in/signed-out`: says so.
pub(super) async fn signed_out(State(door): Door, request: Request) -> Response {
    let visitor = Visitor::of(&door, request.headers(), request.extensions());
    let words = &visitor.frame.language.words;
    let content = Content::Over { why: words.signed_out.clone(), again: None };
    visitor.frame.page(StatusCode::OK, words.title.clone(), content)
}
