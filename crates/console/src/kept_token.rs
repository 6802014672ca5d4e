//! The token of the button that sends a kept form again. It is bound to the browser by a cookie, and to what the form holds: nobody
//! else can make one, and it sends nothing but what was typed.

use crate::form::{Form, KeptForm};
use crate::state::Console;

/// The token for a form in this browser.
pub(crate) fn of(visit: &str, kept: &KeptForm, console: &Console) -> String {
    console.verify.form_token(&name_of(visit, &kept.path, &kept.form))
}

/// Whether a form was sent by such a button, in this browser.
pub(crate) fn is_kept(visit: Option<&str>, path: &str, form: &Form, console: &Console) -> bool {
    let token = form.text("form_token");
    visit.is_some_and(|visit| console.verify.is_form_token(&name_of(visit, path, form), token))
}

/// The context that the token is bound to.
fn name_of(visit: &str, path: &str, form: &Form) -> String {
    let mut name = url::form_urlencoded::Serializer::new(String::from("kept form&"));
    name.append_pair("visit", visit).append_pair("path", path).extend_pairs(form.typed());
    name.finish()
}
