//! Forms of a challenge, and the filters of the list (Twilio documentation).

use countersign_domain::challenge::{Field, MAX_FIELDS};
use countersign_domain::challenge_group::MAX_CHALLENGES;
use countersign_domain::invalid::Invalid;
use countersign_domain::presence::PresenceNumber;
use countersign_domain::presence_choice::PresenceWish;
use countersign_domain::service_protection::PresenceList;
use countersign_domain::sid::FactorSid;
use countersign_domain::text::{FieldLabel, Message, StringMap, bounded};
use countersign_domain::time::Instant;
use countersign_store::Order;
use countersign_store::seam::ChallengeFilter;
use countersign_verify::answers::ChallengeUpdate;
use countersign_verify::challenge_groups::{Devices, too_many};
use countersign_verify::challenges::NewChallenge;

use crate::error::ApiError;
use crate::params::Params;

/// Longest verdict in characters. The largest challenge, signed, exceeds the 5,456 characters of Twilio's description (wire
/// reference §3.9).
const LONGEST_ANSWER: usize = 32 * 1024;

/// The devices that a new challenge is for.
#[derive(Debug)]
pub(super) enum ChallengeTarget {
    /// One factor.
    Factor(FactorSid),
    /// Several devices, each with a challenge of a group.
    Devices(Devices),
}

/// The devices that a challenge is for. Without our parameter `Devices`, `FactorSid` is required.
pub(super) fn target(params: &Params<'_>) -> Result<ChallengeTarget, ApiError> {
    let Some(devices) = params.optional("Devices", devices)? else {
        return params.required("FactorSid", str::parse).map(ChallengeTarget::Factor);
    };
    match params.text("FactorSid")? {
        Some(_) => {
            Err(params.bad("Devices", Invalid::because("cannot be combined with FactorSid")))
        }
        None => Ok(ChallengeTarget::Devices(devices)),
    }
}

/// The word `all`, or SIDs with commas between.
fn devices(text: &str) -> Result<Devices, Invalid> {
    if text == "all" {
        return Ok(Devices::All);
    }
    let mut sids = Vec::new();
    for word in text.split(',') {
        if sids.len() == MAX_CHALLENGES {
            return Err(too_many());
        }
        let form = Invalid::because("must be all, or SIDs of push factors with commas between");
        let sid: FactorSid = word.trim().parse().map_err(|_| form)?;
        if sids.contains(&sid) {
            return Err(Invalid(format!("names {sid} twice").into()));
        }
        sids.push(sid);
    }
    Ok(Devices::Listed(sids))
}

/// A new challenge. Its factor decides whether it needs a message, and whether its code is valid.
pub(super) fn create(params: &Params<'_>) -> Result<NewChallenge, ApiError> {
    let fields: Result<Vec<Field>, Invalid> =
        params.all("Details.Fields").take(MAX_FIELDS + 1).map(Field::parse).collect();
    let fields = fields.and_then(|fields| {
        if fields.len() > MAX_FIELDS {
            Err(Invalid(format!("must be given at most {MAX_FIELDS} times").into()))
        } else {
            Ok(fields)
        }
    });
    Ok(NewChallenge {
        expires_at: params.optional("ExpirationDate", Instant::parse)?,
        message: params.optional("Details.Message", Message::written)?,
        fields: fields.map_err(|why| params.bad("Details.Fields", why))?,
        hidden_details: params.optional("HiddenDetails", StringMap::parse)?,
        code: params.text("AuthPayload")?.map(str::to_owned),
        presence: PresenceWish {
            modes: params.optional("Presence", PresenceList::parse)?,
            label: params.optional("Presence.Label", FieldLabel::written)?,
            answer: params.optional("Presence.Answer", PresenceNumber::parse)?,
        },
    })
}

/// The changes of an update.
pub(super) fn update(params: &Params<'_>) -> Result<ChallengeUpdate, ApiError> {
    let answer = |text: &str| bounded(text, 1, LONGEST_ANSWER).map(|()| text.to_owned());
    Ok(ChallengeUpdate {
        auth_payload: params.optional("AuthPayload", answer)?,
        metadata: params.optional("Metadata", StringMap::parse)?,
        from: None,
    })
}

/// The filter and the order of a list, if given.
pub(super) fn filter(params: &Params<'_>) -> Result<(ChallengeFilter, Option<Order>), ApiError> {
    let filter = ChallengeFilter {
        factor: params.optional("FactorSid", str::parse)?,
        status: params.optional("Status", str::parse)?,
    };
    Ok((filter, order(params)?))
}

/// The order of a list, if given.
pub(super) fn order(params: &Params<'_>) -> Result<Option<Order>, ApiError> {
    params.optional("Order", |text| match text {
        "asc" => Ok(Order::Ascending),
        "desc" => Ok(Order::Descending),
        _ => Err(Invalid::because("must be asc or desc")),
    })
}

/// The order as it appears in a query.
pub(super) const fn word(order: Order) -> &'static str {
    match order {
        Order::Ascending => "asc",
        Order::Descending => "desc",
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::rows;

    const FACTOR: &str = "FactorSid=YF03a1b2c3d4e5f60718293a4b5c6d7e8f";

    fn read(form: &str) -> Result<NewChallenge, ApiError> {
        let params = Params::parse(form.as_bytes(), &rows::PARAMETER)?;
        target(&params)?;
        create(&params)
    }

    #[rstest]
    #[case("Devices=all", true)]
    #[case(
        "Devices=YF03a1b2c3d4e5f60718293a4b5c6d7e8f,%20YF03a1b2c3d4e5f60718293a4b5c6d7e90",
        true
    )]
    #[case("Devices=", false)]
    #[case("Devices=ALL", false)]
    #[case("Devices=all,YF03a1b2c3d4e5f60718293a4b5c6d7e8f", false)]
    #[case("Devices=YC03a1b2c3d4e5f60718293a4b5c6d7e8f", false)]
    #[case("Devices=YF03a1b2c3d4e5f60718293a4b5c6d7e8f,YF03a1b2c3d4e5f60718293a4b5c6d7e8f", false)]
    #[case("Devices=all&FactorSid=YF03a1b2c3d4e5f60718293a4b5c6d7e8f", false)]
    #[case("Devices=all&FactorSid=", false)]
    fn devices_are_all_or_listed_once_and_without_a_factor(#[case] form: &str, #[case] good: bool) {
        let refused = read(form).err().map(|error| error.code_and_text().0);
        assert_eq!(refused, (!good).then_some(60306), "{form}");
    }

    #[test]
    fn lists_at_most_a_hundred_devices() {
        let list = |count: u32| (0..count).map(|n| format!("YF{n:032x}")).collect::<Vec<_>>();
        let form = |count| format!("Devices={}", list(count).join(","));
        assert!(read(&form(100)).is_ok());
        assert_eq!(read(&form(101)).expect_err("too many").code_and_text().0, 60306);
    }

    #[rstest]
    #[case("&Details.Message=", 60306)]
    #[case("&Details.Message=Hi&ExpirationDate=tomorrow", 60306)]
    #[case("&Details.Message=Hi&Details.Fields=Path", 60306)]
    #[case(r#"&Details.Message=Hi&Details.Fields={"label":1,"value":""}"#, 60306)]
    #[case("&Details.Message=Hi&HiddenDetails=[]", 60306)]
    #[case(r#"&Details.Message=Hi&HiddenDetails={"n":1}"#, 60306)]
    #[case("&Details.Message=Hi&Presence=", 60306)]
    #[case("&Details.Message=Hi&Presence=face", 60306)]
    #[case("&Details.Message=Hi&Presence=code&Presence.Label=", 60306)]
    #[case("&Details.Message=Hi&Presence=number&Presence.Answer=9", 60306)]
    #[case("&FactorSid=YF03a1b2c3d4e5f60718293a4b5c6d7e8f", 60306)]
    fn rejects(#[case] rest: &str, #[case] code: u32) {
        let form = format!("{FACTOR}{rest}");
        assert_eq!(read(&form).expect_err(&form).code_and_text().0, code);
    }

    #[test]
    fn needs_a_factor() {
        let absent = read("Details.Message=Hi").expect_err("no factor");
        assert_eq!(absent.code_and_text().0, 20001);
        let challenge = read("FactorSid=YC03a1b2c3d4e5f60718293a4b5c6d7e8f&Details.Message=Hi");
        assert_eq!(challenge.expect_err("no factor").code_and_text().0, 60306);
    }

    #[test]
    fn accepts_at_most_twenty_fields() {
        let field = r#"&Details.Fields={"label":"Path","value":"/login"}"#;
        let form = |count| format!("{FACTOR}&Details.Message=Hi{}", field.repeat(count));
        assert_eq!(read(&form(20)).expect("twenty").fields.len(), 20);
        assert_eq!(read(&form(21)).expect_err("too many").code_and_text().0, 60306);
    }

    #[rstest]
    #[case("", true)]
    #[case("FactorSid=YF03a1b2c3d4e5f60718293a4b5c6d7e8f&Status=pending&Order=desc", true)]
    #[case("Status=open", false)]
    #[case("Order=DESC", false)]
    #[case("FactorSid=YF", false)]
    fn filters(#[case] query: &str, #[case] good: bool) {
        let params = Params::parse(query.as_bytes(), &rows::PARAMETER).expect(query);
        assert_eq!(filter(&params).is_ok(), good);
    }
}
