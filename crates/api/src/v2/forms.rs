//! Forms (wire reference §2.8): what an application's own pages must ask for.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use serde::Serialize;
use serde_json::Value;

use crate::auth::Backend;
use crate::forms::push_forms;
use crate::reply::{self, Answer};
use crate::rows;
use crate::state::Shared;
use crate::urls::PublicUrl;

/// The only type of form that there is.
const PUSH: &str = "form-push";

pub(crate) async fn fetch(
    State(state): State<Shared>,
    Backend(_): Backend,
    form_type: Result<Path<String>, PathRejection>,
) -> Answer {
    if !form_type.is_ok_and(|Path(form_type)| form_type == PUSH) {
        return Err((&rows::NOT_FOUND).into());
    }
    reply::ok(&FormView::of(&state.public_url))
}

#[derive(Serialize)]
struct FormView {
    form_type: &'static str,
    forms: Value,
    form_meta: Empty,
    url: String,
}

impl FormView {
    fn of(base: &PublicUrl) -> Self {
        Self {
            form_type: PUSH,
            forms: push_forms(),
            form_meta: Empty {},
            url: base.of(format_args!("/v2/Forms/{PUSH}")),
        }
    }
}

/// An object with nothing in it.
#[derive(Serialize)]
struct Empty {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn looks_as_documented() {
        let mut view = serde_json::to_value(FormView::of(&crate::tests::base())).expect("JSON");
        for form in ["create_factor", "verify_factor", "create_challenge"] {
            assert!(view["forms"][form].take().is_object(), "{form}");
        }
        let expected = json!({
            "form_type": "form-push",
            "forms": {"create_factor": null, "verify_factor": null, "create_challenge": null},
            "form_meta": {},
            "url": "https://verify.twilio.com/v2/Forms/form-push",
        });
        assert_eq!(view, expected);
    }
}
