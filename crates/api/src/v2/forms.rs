//! Forms (Twilio documentation): JSON Schemas of draft-07 for an application's own pages.

use std::sync::LazyLock;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use serde::Serialize;
use serde_json::Value;

use crate::auth::Application;
use crate::reply::{self, ApiResult};
use crate::rows;
use crate::state::SharedState;
use crate::urls::PublicUrl;

/// The only type of form.
const PUSH: &str = "form-push";

static PUSH_FORMS: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("form-push.json")).expect("the embedded file is JSON")
});

pub(crate) async fn fetch(
    State(state): State<SharedState>,
    Application(_): Application,
    form_type: Result<Path<String>, PathRejection>,
) -> ApiResult {
    if !form_type.is_ok_and(|Path(form_type)| form_type == PUSH) {
        return Err((&rows::NOT_FOUND).into());
    }
    reply::ok(&FormView::of(&state.public_url))
}

#[derive(Serialize)]
struct FormView {
    form_type: &'static str,
    forms: &'static Value,
    form_meta: Empty,
    url: String,
}

impl FormView {
    fn of(base: &PublicUrl) -> Self {
        Self {
            form_type: PUSH,
            forms: &PUSH_FORMS,
            form_meta: Empty {},
            url: base.of(format_args!("/v2/Forms/{PUSH}")),
        }
    }
}

/// An empty object.
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
            let form = view["forms"][form].take();
            jsonschema::draft7::meta::validate(&form).expect("a JSON Schema of draft-07");
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
