//! Search by the beginning of an identity, a SID, a question or a device's name.

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use countersign_domain::challenge::Challenge;
use countersign_domain::entity::Owner;
use countersign_domain::sid::{
    ChallengeGroupSid, ChallengeSid, CredentialSid, EntitySid, FactorSid, NotificationSid,
    ServiceSid,
};
use countersign_store::page::{Cursor, Order, Side};
use countersign_store::{
    PageQuery,
    seam::{FoundFactor, TimelineFilter},
};
use countersign_verify::VerifyError;
use countersign_verify::reports::MAX_SCANNED;
use countersign_verify::timeline::{Place, Rest, TimelineQuery};

use crate::error::PageError;
use crate::filter::message_query;
use crate::form::Form;
use crate::frame::{self, Frame, Section};
use crate::session::Operator;
use crate::state::{Console, SharedConsole};
use crate::views::{ChallengeSummary, Timestamp};

/// Results of one kind at most.
const MOST: usize = 10;

/// A result.
struct Hit {
    path: String,
    name: String,
    /// A text that distinguishes it from others of the same name.
    more: String,
}

/// The results.
#[derive(Default)]
struct Hits {
    people: Vec<Hit>,
    devices: Vec<Hit>,
    others: Vec<Hit>,
    challenges: Vec<ChallengeSummary>,
    /// How far back questions were searched, if not to the end.
    searched_to: Option<Timestamp>,
}

impl Hits {
    /// All lists but the challenges, with their headings, and whether there may be more.
    fn lists(&self) -> [(&'static str, &[Hit], bool); 3] {
        [
            ("People", &self.people),
            ("Devices", &self.devices),
            ("Services and credentials", &self.others),
        ]
        .map(|(name, list): (_, &Vec<_>)| (name, list.as_slice(), list.len() == MOST))
    }

    fn is_empty(&self) -> bool {
        self.lists().iter().all(|(_, list, _)| list.is_empty()) && self.challenges.is_empty()
    }

    /// The path of the only result, if there is one.
    fn only(&self) -> Option<String> {
        let listed =
            self.lists().into_iter().flat_map(|(_, list, _)| list).map(|hit| hit.path.clone());
        let asked = self.challenges.iter().map(|it| format!("/challenges/{}", it.sid));
        let mut paths: Vec<_> = listed.chain(asked).take(2).collect();
        paths.pop().filter(|_| paths.is_empty())
    }
}

#[derive(Template)]
#[template(path = "search.html")]
struct Search {
    frame: Frame,
    sought: String,
    hits: Hits,
    /// The query of the timeline for questions that begin with the text.
    questions: String,
    scanned: usize,
}

/// The page. A SID, or the beginning of one that only one thing has, redirects to its page.
pub(crate) async fn show(
    State(console): State<SharedConsole>,
    operator: Operator,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let form = Form::of_query(query.as_deref())?;
    let sought = form.text("q");
    let seeker = Seeker { console: &console, operator: &operator };
    let mut hits = Hits::default();
    if !sought.is_empty() {
        hits = seeker.by_sid(sought).await?;
        if let Some(path) = hits.only() {
            return Ok(frame::go(&console, &path));
        }
        if hits.is_empty() {
            hits = seeker.by_text(sought).await?;
        }
    }
    frame::ok(&Search {
        frame: Frame::new(&console, Some(&operator), Section::Search).seeking(sought),
        sought: sought.to_owned(),
        questions: message_query(sought),
        hits,
        scanned: MAX_SCANNED,
    })
}

struct Seeker<'a> {
    console: &'a Console,
    operator: &'a Operator,
}

impl Seeker<'_> {
    /// Resources whose SID begins with the text.
    async fn by_sid(&self, text: &str) -> Result<Hits, PageError> {
        let (account, verify) = (self.operator.account, &self.console.verify);
        let mut hits = Hits::default();
        let group = ChallengeGroupSid::range_of_prefix(text);
        let group = group.map(|(first, last)| (first.first(), last.first()));
        if let Some(range) = ChallengeSid::range_of_prefix(text).or(group) {
            let found = verify.challenges_by_sid(account, range, MOST).await?;
            // A group has the digits of its first challenge.
            let found = found.iter().filter(|it| {
                group.is_none() || it.group.map(ChallengeGroupSid::first) == Some(it.sid)
            });
            hits.challenges = self.summaries(found);
        } else if let Ok(sid) = text.parse::<NotificationSid>() {
            match verify.challenge_of_notification(account, sid).await {
                Ok(challenge) => hits.challenges = self.summaries([&challenge].into_iter()),
                Err(VerifyError::NotFound) => {}
                Err(error) => return Err(error.into()),
            }
        } else if let Some(range) = FactorSid::range_of_prefix(text) {
            let found = verify.factors_by_sid(account, range, MOST).await?;
            hits.devices = self.devices(found).await?;
        } else if let Some(range) = EntitySid::range_of_prefix(text) {
            for entity in verify.entities_by_sid(account, range, MOST).await? {
                hits.people.push(self.person(&entity.owner).await?);
            }
        } else if let Some((first, last)) = ServiceSid::range_of_prefix(text) {
            let page = verify.services(account, behind(first.previous())).await?;
            let found = page.items.into_iter().filter(|it| first <= it.sid && it.sid <= last);
            hits.others.extend(found.map(|service| Hit {
                path: format!("/services/{}", service.sid),
                name: service.settings.friendly_name.to_string(),
                more: format!("service {}", service.sid),
            }));
        } else if let Some((first, last)) = CredentialSid::range_of_prefix(text) {
            let page = verify.credentials(account, behind(first.previous())).await?;
            let found = page.items.into_iter().filter(|it| first <= it.sid && it.sid <= last);
            hits.others.extend(found.map(|it| Hit {
                path: "/credentials".to_owned(),
                name: it.friendly_name.clone().unwrap_or_else(|| it.sid.to_string()),
                more: format!("push credential {}", it.sid),
            }));
        }
        Ok(hits)
    }

    /// The people, devices and challenges whose identity, name or question begins with the text.
    async fn by_text(&self, text: &str) -> Result<Hits, PageError> {
        let (account, verify) = (self.operator.account, &self.console.verify);
        let mut people = Vec::new();
        for entity in verify.entities_by_identity(account, text, MOST).await? {
            people.push(self.person(&entity.owner).await?);
        }
        let devices = self.devices(verify.factors_by_name(account, text, MOST).await?).await?;
        let filter = TimelineFilter { message: Some(text.to_owned()), ..TimelineFilter::default() };
        let place = Place::Newest;
        let query = TimelineQuery { filter, since: None, until: None, place, size: MOST };
        let found = verify.timeline(account, &query).await?;
        let searched_to = match found.rest {
            Rest::Unread(sid) => Some(Timestamp(sid.minted_at())),
            Rest::Nothing | Rest::More(_) => None,
        };
        let challenges = self.summaries(found.items.iter());
        Ok(Hits { people, devices, others: Vec::new(), challenges, searched_to })
    }

    fn summaries<'c>(&self, found: impl Iterator<Item = &'c Challenge>) -> Vec<ChallengeSummary> {
        found.map(|it| ChallengeSummary::without_pushes(it, self.console.now())).collect()
    }

    async fn person(&self, owner: &Owner) -> Result<Hit, PageError> {
        let service = self.console.verify.service(self.operator.account, owner.service).await?;
        Ok(Hit {
            path: person_path(owner),
            name: owner.identity.to_string(),
            more: format!("of {}", service.settings.friendly_name),
        })
    }

    async fn devices(&self, found: Vec<FoundFactor>) -> Result<Vec<Hit>, PageError> {
        let mut hits = Vec::with_capacity(found.len());
        for factor in found {
            let person = self.person(&factor.owner).await?;
            hits.push(Hit {
                path: format!("{}#{}", person.path, factor.sid),
                name: factor.friendly_name.to_string(),
                more: format!("device of {} {}", person.name, person.more),
            });
        }
        Ok(hits)
    }
}

fn person_path(owner: &Owner) -> String {
    format!("/services/{}/people/{}", owner.service, owner.identity)
}

/// The first items of a list behind a SID.
fn behind<S>(sid: S) -> PageQuery<S> {
    let size = u16::try_from(MOST).unwrap_or(u16::MAX);
    PageQuery { size, order: Order::Ascending, cursor: Some(Cursor { sid, side: Side::After }) }
}
