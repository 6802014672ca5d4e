//! The operators of the account: who signs in here, as what, and with which sessions.

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_domain::operator::{Operator as Person, OperatorName};
use countersign_domain::role::Role;
use countersign_domain::sid::OperatorSid;
use countersign_domain::time::Instant;
use countersign_verify::operators::NewOperatorError;
use countersign_verify::sessions::{Session, Who};
use http::{HeaderMap, StatusCode};

use super::confirm::Confirm;
use crate::error::PageError;
use crate::fields::{Field, Refusal, Wrong};
use crate::form::Form;
use crate::frame::{self, Frame, Section};
use crate::paging::{self, Turn};
use crate::results::{self, FormResult};
use crate::session::{Operator, Posted};
use crate::state::{Console, SharedConsole};
use crate::views::Timestamp;

/// The roles, as the forms offer them.
const ROLES: [(&str, &str); 3] = [
    ("read", "read: sees everything, changes nothing"),
    ("operate", "operate: does the daily work"),
    ("admin", "admin: may do everything"),
];

struct Row {
    sid: String,
    name: String,
    role: &'static str,
    made: Timestamp,
}

#[derive(Template)]
#[template(path = "operators.html")]
struct Operators {
    frame: Frame,
    operators: Vec<Row>,
    turn: Turn,
    fields: Vec<Field>,
}

struct SessionRow {
    address: String,
    opened: Timestamp,
    seen: Timestamp,
}

#[derive(Template)]
#[template(path = "operator.html")]
struct One {
    frame: Frame,
    it: Row,
    changed: Timestamp,
    has_password: bool,
    /// Whether it is the operator who looks.
    is_self: bool,
    role: Field,
    sessions: Vec<SessionRow>,
    /// A link that was made a moment ago, and until when it can be used.
    link: Option<(String, Timestamp)>,
}

fn row(person: &Person) -> Row {
    Row {
        sid: person.sid.to_string(),
        name: person.name.to_string(),
        role: person.role.as_str(),
        made: Timestamp(person.created_at),
    }
}

/// The operator of a path.
async fn found(console: &Console, operator: &Operator, sid: &str) -> Result<Person, PageError> {
    Ok(console.verify.operator(operator.account, super::sid(sid)?).await?)
}

/// The operator of a path who is not the one that asks: an account must not lose its last admin by a slip.
async fn another(console: &Console, operator: &Operator, sid: &str) -> Result<Person, PageError> {
    let person = found(console, operator, sid).await?;
    if is(operator, person.sid) {
        let why = "Another admin can do this to you, or `countersign operators` beside the server.";
        return Err(PageError::Refused(why.to_owned()));
    }
    Ok(person)
}

fn is(operator: &Operator, sid: OperatorSid) -> bool {
    matches!(operator.session.who, Who::Operator(known, _) if known == sid)
}

/// The list, and the form that adds an operator.
pub(crate) async fn list(
    State(console): State<SharedConsole>,
    operator: Operator,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let query = Form::of_query(query.as_deref())?;
    frame::ok(&page(&console, &operator, &query, None).await?)
}

async fn page(
    console: &Console,
    operator: &Operator,
    form: &Form,
    wrong: Option<&Wrong>,
) -> Result<Operators, PageError> {
    let page = console.verify.operators(operator.account, paging::asked(form)?).await?;
    let path = format!("{}/operators?", console.base());
    let fields = [
        Field::text("Name", "Name of the new operator", form.text("Name"))
            .hint("Such as an e-mail address. It stands in the audit trail."),
        Field::text("Role", "Role", form.text("Role")).choose_of(&ROLES),
    ];
    let fields: Vec<_> = fields.into_iter().map(|field| field.judged(wrong)).collect();
    let frame = Frame::new(console, Some(operator), Section::Operators).telling(form);
    Ok(Operators {
        frame: frame.refusing(wrong, &fields),
        operators: page.items.iter().map(row).collect(),
        turn: Turn::of("operators", &path, &page, |it| it.sid),
        fields,
    })
}

/// Adds an operator. The page that follows shows the link that signs them in.
pub(crate) async fn add(
    State(console): State<SharedConsole>,
    Posted { operator, form }: Posted,
) -> Result<Response, PageError> {
    match make(&console, &operator, &form).await {
        Ok(person) => linked(&console, &operator, &person, "operator-made").await,
        Err(refusal) => {
            let wrong = refusal.wrong()?;
            let page = page(&console, &operator, &form, Some(&wrong)).await?;
            frame::page(StatusCode::BAD_REQUEST, &page)
        }
    }
}

async fn make(console: &Console, operator: &Operator, form: &Form) -> Result<Person, Refusal> {
    let name = form.read("Name", OperatorName::parse)?;
    let role: Role = form.read("Role", str::parse)?;
    let made = console.verify.create_operator(operator.account, name, role).await;
    made.map_err(|error| match error {
        NewOperatorError::NameTaken(_) => {
            Refusal::field("Name", "is the name of another operator, of this or another account")
        }
        NewOperatorError::Store(error) => PageError::from(error).into(),
        NewOperatorError::NoAccount(_) => PageError::NotFound.into(),
        NewOperatorError::TooMany => PageError::Refused(format!("{error}.")).into(),
    })
}

/// Makes a link, and goes to the operator's page, which shows it.
async fn linked(
    console: &Console,
    operator: &Operator,
    person: &Person,
    done: &str,
) -> Result<Response, PageError> {
    let (key, until) = console.verify.create_operator_link(person).await?;
    let mut response = frame::go(console, &format!("/operators/{}?done={done}", person.sid));
    let (sid, link) = (person.sid.to_string(), console.operator_link(&key));
    let result = FormResult::OperatorLink { sid, link, until: until.as_micros() };
    results::keep(&mut response, result, operator, console);
    Ok(response)
}

/// The page of an operator.
pub(crate) async fn show(
    State(console): State<SharedConsole>,
    operator: Operator,
    headers: HeaderMap,
    Path(sid): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let query = Form::of_query(query.as_deref())?;
    let person = found(&console, &operator, &sid).await?;
    let sessions = console.verify.sessions_of(operator.account).await?;
    let of_person = |it: &&Session| matches!(it.who, Who::Operator(sid, _) if sid == person.sid);
    let link = match results::kept(&headers, &operator, &console) {
        Some(FormResult::OperatorLink { sid, link, until })
            if sid == person.sid.to_string() && query.given("done").is_some() =>
        {
            Some((link, Timestamp(Instant::from_micros(until))))
        }
        _ => None,
    };
    frame::ok(&One {
        frame: Frame::new(&console, Some(&operator), Section::Operators).telling(&query),
        it: row(&person),
        changed: Timestamp(person.updated_at),
        has_password: person.password.is_some(),
        is_self: is(&operator, person.sid),
        role: Field::text("Role", "Role", person.role.as_str()).choose_of(&ROLES),
        sessions: sessions.iter().filter(of_person).map(session_row).collect(),
        link,
    })
}

fn session_row(session: &Session) -> SessionRow {
    let address = session.address.map(|address| address.to_canonical().to_string());
    SessionRow {
        address: address.unwrap_or_else(|| "unknown".to_owned()),
        opened: Timestamp(session.opened_at),
        seen: Timestamp(session.seen_at),
    }
}

/// Gives an operator another role.
pub(crate) async fn change_role(
    State(console): State<SharedConsole>,
    Path(sid): Path<String>,
    Posted { operator, form }: Posted,
) -> Result<Response, PageError> {
    let person = another(&console, &operator, &sid).await?;
    let role = form.text("Role").parse::<Role>();
    let role = role.map_err(|why| PageError::Refused(format!("The role {why}.")))?;
    console.verify.set_operator_role(&person, role).await?;
    Ok(frame::go(&console, &format!("/operators/{}?done=role-changed", person.sid)))
}

/// Makes another link that signs an operator in.
pub(crate) async fn link(
    State(console): State<SharedConsole>,
    Path(sid): Path<String>,
    Posted { operator, .. }: Posted,
) -> Result<Response, PageError> {
    let person = found(&console, &operator, &sid).await?;
    linked(&console, &operator, &person, "link-made").await
}

/// Ends all sessions of an operator.
pub(crate) async fn end_sessions(
    State(console): State<SharedConsole>,
    Path(sid): Path<String>,
    Posted { operator, .. }: Posted,
) -> Result<Response, PageError> {
    let person = found(&console, &operator, &sid).await?;
    console.verify.end_operators_sessions(&person).await?;
    Ok(frame::go(&console, &format!("/operators/{}?done=sessions-ended", person.sid)))
}

/// Asks before an operator is removed.
pub(crate) async fn ask_remove(
    State(console): State<SharedConsole>,
    operator: Operator,
    Path(sid): Path<String>,
) -> Result<Response, PageError> {
    let person = another(&console, &operator, &sid).await?;
    let path = format!("/operators/{}", person.sid);
    let words = ("Remove the operator", "Remove the operator");
    Confirm::new(&console, &operator, Section::Operators, words, person.name.to_string())
        .says([
            "Their sessions end at once, and their devices are forgotten.".to_owned(),
            "Their actions stay in the audit trail.".to_owned(),
        ])
        .between(format!("{path}/remove"), path)
}

/// Removes an operator.
pub(crate) async fn remove(
    State(console): State<SharedConsole>,
    Path(sid): Path<String>,
    Posted { operator, .. }: Posted,
) -> Result<Response, PageError> {
    let person = another(&console, &operator, &sid).await?;
    console.verify.delete_operator(&person).await?;
    Ok(frame::go(&console, "/operators?done=operator-removed"))
}
