//! Reading and answering challenges.

use serde_json::Value;
use url::Url;

use crate::challenge::Challenge;
use crate::error::PhoneError;
use crate::jwt::{Extras, answer_with};
use crate::phone::Phone;
use crate::server::ChallengeHeaders;
use crate::status::{ChallengeStatus, DenialReason, Verdict};

/// The page size of the mobile SDKs.
const PAGE_SIZE: &str = "20";

/// The input of an approval, besides the tap.
#[derive(Debug, Clone, Copy, Default)]
pub struct Approval<'a> {
    /// The number that the page shows.
    pub number: Option<&'a str>,
    /// The device has made sure who holds it.
    pub is_user_verified: bool,
}

impl Phone {
    /// All challenges of this phone, or those with one status, oldest first. Reads every page.
    pub async fn challenges(
        &self,
        status: Option<ChallengeStatus>,
    ) -> Result<Vec<Challenge>, PhoneError> {
        let mut challenges = Vec::new();
        let mut token = None;
        loop {
            let mut url = self.entity_url(&["Challenges"])?;
            url.query_pairs_mut()
                .append_pair("PageSize", PAGE_SIZE)
                .append_pair("FactorSid", self.factor_sid())
                .append_pair("Order", "asc")
                .extend_pairs(status.map(|status| ("Status", status.as_str())))
                .extend_pairs(token.as_deref().map(|token| ("PageToken", token)));
            let page = Page::parse(self.get(url).await?.object()?)?;
            for body in page.challenges {
                challenges.push(self.ours(Challenge::parse(body, &ChallengeHeaders::default())?)?);
            }
            match page.next {
                None => return Ok(challenges),
                Some(next) if Some(&next) == token.as_ref() => {
                    return Err(PhoneError::malformed("a page that follows itself"));
                }
                next => token = next,
            }
        }
    }

    /// Fetches a challenge. While it is pending, contains the names of the members that a verdict must sign.
    pub async fn challenge(&self, sid: &str) -> Result<Challenge, PhoneError> {
        let answer = self.get(self.entity_url(&["Challenges", sid])?).await?;
        self.ours(Challenge::parse(answer.object()?, &answer.of_challenge)?)
    }

    /// Answers a challenge as the mobile SDKs do: reads it, sends the verdict, and reads it again to check its status. A
    /// challenge that is not pending is an error without a request.
    pub async fn answer(&self, sid: &str, verdict: Verdict) -> Result<Challenge, PhoneError> {
        self.answer_and_check(sid, verdict, Extras::default()).await
    }

    /// Denies a challenge and says why, in the manner of [`answer`](Self::answer).
    pub async fn deny(&self, sid: &str, reason: DenialReason) -> Result<Challenge, PhoneError> {
        let extras = Extras { reason: Some(reason), ..Extras::default() };
        self.answer_and_check(sid, Verdict::Denied, extras).await
    }

    /// Approves a challenge with the number that the page shows, in the manner of [`answer`](Self::answer).
    pub async fn approve_with(&self, sid: &str, number: &str) -> Result<Challenge, PhoneError> {
        self.approve(sid, Approval { number: Some(number), ..Approval::default() }).await
    }

    /// Approves a challenge with all that it asks for, in the manner of [`answer`](Self::answer).
    pub async fn approve(
        &self,
        sid: &str,
        approval: Approval<'_>,
    ) -> Result<Challenge, PhoneError> {
        let Approval { number, is_user_verified } = approval;
        let extras = Extras { number, is_user_verified, reason: None };
        self.answer_and_check(sid, Verdict::Approved, extras).await
    }

    async fn answer_and_check(
        &self,
        sid: &str,
        verdict: Verdict,
        extras: Extras<'_>,
    ) -> Result<Challenge, PhoneError> {
        let asked = self.challenge(sid).await?;
        let payload = self.signed(&asked, verdict, extras)?;
        self.send(&asked, &payload).await?;
        match self.challenge(sid).await? {
            answered if answered.status == verdict.status() => Ok(answered),
            other => Err(PhoneError::NotUpdated(other.status)),
        }
    }

    /// Sends the answer to a challenge that was read before: the middle of [`answer`](Self::answer).
    pub async fn send_answer(
        &self,
        challenge: &Challenge,
        verdict: Verdict,
    ) -> Result<(), PhoneError> {
        let payload = self.signed_answer(challenge, verdict)?;
        self.send(challenge, &payload).await
    }

    /// The same with the number that the page shows: the middle of [`approve_with`](Self::approve_with).
    pub async fn send_number(&self, challenge: &Challenge, number: &str) -> Result<(), PhoneError> {
        let extras = Extras { number: Some(number), ..Extras::default() };
        let payload = self.signed(challenge, Verdict::Approved, extras)?;
        self.send(challenge, &payload).await
    }

    async fn send(&self, challenge: &Challenge, payload: &str) -> Result<(), PhoneError> {
        let url = self.entity_url(&["Challenges", &challenge.sid])?;
        // the SDKs ignore the body: reading the challenge again tells more
        self.post(url, &[("AuthPayload", payload)]).await.map(|_| ())
    }

    /// The `AuthPayload` that would answer a challenge.
    pub fn signed_answer(
        &self,
        challenge: &Challenge,
        verdict: Verdict,
    ) -> Result<String, PhoneError> {
        self.signed(challenge, verdict, Extras::default())
    }

    fn signed(
        &self,
        challenge: &Challenge,
        verdict: Verdict,
        extras: Extras<'_>,
    ) -> Result<String, PhoneError> {
        if challenge.is_answered_elsewhere {
            return Err(PhoneError::AnsweredElsewhere);
        }
        if challenge.status != ChallengeStatus::Pending {
            return Err(PhoneError::NotPending(challenge.status));
        }
        let fields = challenge.fields_to_sign.as_deref().ok_or(PhoneError::NotSignable)?;
        answer_with(self.key(), &challenge.body, fields, verdict, extras)
    }

    fn ours(&self, challenge: Challenge) -> Result<Challenge, PhoneError> {
        match challenge.factor_sid == self.factor_sid() {
            true => Ok(challenge),
            false => Err(PhoneError::WrongFactor(challenge.factor_sid)),
        }
    }
}

/// A page of a list, and the token of the next page.
struct Page {
    challenges: Vec<serde_json::Map<String, Value>>,
    next: Option<String>,
}

impl Page {
    fn parse(mut body: serde_json::Map<String, Value>) -> Result<Self, PhoneError> {
        let meta = body.remove("meta").unwrap_or_default();
        // Both SDKs fail if one of these is not an integer.
        if !meta["page"].is_i64() || !meta["page_size"].is_i64() {
            return Err(PhoneError::malformed("meta without page and page_size"));
        }
        if meta["key"] != "challenges" {
            return Err(PhoneError::malformed("meta.key does not name the list"));
        }
        let next = match &meta["next_page_url"] {
            Value::Null => None,
            Value::String(url) => Some(page_token(url)?),
            _ => return Err(PhoneError::malformed("next_page_url is no URL")),
        };
        let list = body.remove("challenges").unwrap_or_default();
        let challenges = serde_json::from_value(list)
            .map_err(|error| PhoneError::malformed(format!("no list of challenges: {error}")))?;
        Ok(Self { challenges, next })
    }
}

/// The `PageToken` of a page's URL. The mobile SDKs use nothing else of the URL.
fn page_token(page_url: &str) -> Result<String, PhoneError> {
    let url = Url::parse(page_url)
        .map_err(|error| PhoneError::malformed(format!("the page URL {page_url}: {error}")))?;
    let token = url.query_pairs().find(|(name, _)| name == "PageToken");
    token
        .map(|(_, value)| value.into_owned())
        .filter(|value| !value.is_empty())
        .ok_or_else(|| PhoneError::malformed(format!("the page URL {page_url} has no PageToken")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn page(next: &Value) -> Result<Page, PhoneError> {
        let body = json!({
            "challenges": [],
            "meta": {"page": 0, "page_size": 20, "key": "challenges", "next_page_url": next},
        });
        Page::parse(body.as_object().unwrap().clone())
    }

    #[test]
    fn the_token_is_taken_from_the_next_page_url() {
        let url = "https://h.example/v2/x?PageSize=20&Page=1&PageToken=DNYC033ef130&Order=asc";
        assert_eq!(page(&json!(url)).unwrap().next.as_deref(), Some("DNYC033ef130"));
        assert_eq!(page(&Value::Null).unwrap().next, None);
    }

    #[test]
    fn a_next_page_without_a_token_or_an_origin_is_malformed() {
        for url in ["https://h.example/v2/x?Page=1", "/v2/x?PageToken=a", "https://h/?PageToken="] {
            assert!(matches!(page(&json!(url)), Err(PhoneError::Malformed(_))), "{url}");
        }
        assert!(matches!(page(&json!(1)), Err(PhoneError::Malformed(_))));
    }

    #[test]
    fn a_list_without_the_numbers_of_its_page_is_malformed() {
        for meta in [json!(null), json!({"page": 0, "key": "challenges"})] {
            let body = json!({"challenges": [], "meta": meta});
            assert!(Page::parse(body.as_object().unwrap().clone()).is_err());
        }
    }
}
