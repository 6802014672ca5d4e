//! The request of Keycloak.

use serde::Deserialize;

use crate::binding::BindingMessage;
use crate::openid::Refusal;

/// The longest user name. Longer ones belong to nobody.
const LONGEST_HINT: usize = 256;

/// A question.
#[derive(Debug)]
pub(crate) struct Question {
    /// Keycloak's name of the person.
    pub(super) login_hint: String,
    /// A text that both sides show, for the person to compare.
    pub(super) binding_message: Option<BindingMessage>,
}

/// The body. Its other members are ignored.
#[derive(Deserialize)]
struct Body {
    login_hint: Option<String>,
    binding_message: Option<String>,
}

impl Question {
    /// Reads a body.
    ///
    /// # Errors
    /// It is no such JSON, or names nobody.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let body: Body = serde_json::from_slice(body)
            .map_err(|_| Refusal::InvalidRequest("the body must be a JSON object"))?;
        let hint = body.login_hint.filter(|hint| !hint.is_empty());
        let login_hint = hint.ok_or(Refusal::InvalidRequest("login_hint is missing"))?;
        if login_hint.len() > LONGEST_HINT {
            return Err(Refusal::UnknownUser);
        }
        let message = body.binding_message.filter(|message| !message.is_empty());
        let message = message.as_deref().map(BindingMessage::parse).transpose();
        let binding_message = message.map_err(Refusal::InvalidBindingMessage)?;
        Ok(Self { login_hint, binding_message })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_names_a_person() {
        let recorded = br#"{"scope":"openid roles profile email","binding_message":"A1","login_hint":"ann","is_consent_required":false,"acr_values":""}"#;
        let question = Question::parse(recorded).unwrap();
        assert_eq!(question.login_hint, "ann");
        assert_eq!(question.binding_message, BindingMessage::parse("A1").ok());
        assert!(Question::parse(br#"{"login_hint":"ann","binding_message":null}"#).is_ok());
        for (body, word) in [
            (&b"{}"[..], "invalid_request"),
            (b"[]", "invalid_request"),
            (b"", "invalid_request"),
            (br#"{"login_hint":7}"#, "invalid_request"),
            (br#"{"login_hint":"ann","binding_message":"<b>"}"#, "invalid_binding_message"),
        ] {
            assert_eq!(Question::parse(body).unwrap_err().word(), word);
        }
    }
}
