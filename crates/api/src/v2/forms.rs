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
    reply::ok(&FormView {
        form_type: PUSH,
        forms: push_forms(),
        form_meta: Empty {},
        url: state.public_url.of(format_args!("/v2/Forms/{PUSH}")),
    })
}

#[derive(Serialize)]
struct FormView {
    form_type: &'static str,
    forms: Value,
    form_meta: Empty,
    url: String,
}

/// An object with nothing in it.
#[derive(Serialize)]
struct Empty {}
