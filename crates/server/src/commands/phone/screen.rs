//! Renders a challenge in the terminal.

use std::fmt::{self, Display};

use countersign_phone::{Challenge, ChallengeStatus, Phone, Presence, system_time};

use crate::telemetry;

/// Colours, on a terminal that supports them and unless `NO_COLOR` is set.
#[derive(Debug, Clone, Copy)]
pub(in crate::commands) struct Paint {
    coloured: bool,
}

impl Paint {
    pub(in crate::commands) fn of_stdout() -> Self {
        Self { coloured: telemetry::may_be_coloured(&std::io::stdout()) }
    }

    pub(in crate::commands) fn bold(self, text: impl Display) -> String {
        self.with("1", text)
    }

    pub(in crate::commands) fn dim(self, text: impl Display) -> String {
        self.with("2", text)
    }

    pub(in crate::commands) fn good(self, text: impl Display) -> String {
        self.with("32", text)
    }

    pub(in crate::commands) fn bad(self, text: impl Display) -> String {
        self.with("31", text)
    }

    /// The status of a challenge in its colour.
    pub(in crate::commands) fn verdict(self, status: ChallengeStatus) -> String {
        match status {
            ChallengeStatus::Approved => self.good(status),
            ChallengeStatus::Denied | ChallengeStatus::Expired => self.bad(status),
            ChallengeStatus::Pending => status.to_string(),
        }
    }

    fn with(self, code: &str, text: impl Display) -> String {
        if self.coloured { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }
}

/// A challenge as shown to the person.
pub(in crate::commands) struct Card<'a> {
    challenge: &'a Challenge,
    status_line: String,
    paint: Paint,
}

impl<'a> Card<'a> {
    pub(in crate::commands) fn new(phone: &Phone, challenge: &'a Challenge, paint: Paint) -> Self {
        Self { challenge, status_line: status_line(phone, challenge), paint }
    }
}

impl Display for Card<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { challenge, status_line, paint } = self;
        writeln!(f, "  {}", paint.bold(plain(&challenge.message)))?;
        let width = challenge.fields.iter().map(|field| field.label.chars().count()).max();
        for field in &challenge.fields {
            let (label, value) = (plain(&field.label), plain(&field.value));
            writeln!(f, "    {label:width$}  {value}", width = width.unwrap_or(0))?;
        }
        if let Some(Presence::Pick(options)) = &challenge.presence {
            writeln!(f, "    {}", paint.bold(options.join("   ")))?;
        }
        write!(f, "    {}", paint.dim(format_args!("{status_line} · {}", challenge.sid)))
    }
}

/// How long the challenge can still be answered, by the server's clock as known to the phone; or its final status.
pub(super) fn status_line(phone: &Phone, challenge: &Challenge) -> String {
    match challenge.status {
        ChallengeStatus::Pending => {
            let left = challenge.expires_at.as_second().saturating_sub(server_time(phone));
            let quietly = if challenge.is_quiet { ", asked quietly" } else { "" };
            format!("open for {}{quietly}", span(left))
        }
        _ if challenge.is_answered_elsewhere => "answered on another device".to_owned(),
        status => status.to_string(),
    }
}

/// The server's time in Unix seconds, as known to the phone.
pub(super) fn server_time(phone: &Phone) -> i64 {
    system_time().saturating_add(phone.clock_offset())
}

/// Text from outside, without characters that could control the terminal.
pub(in crate::commands) fn plain(text: &str) -> String {
    let steers =
        |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if steers(c) { ' ' } else { c }).collect()
}

/// A duration of some seconds in words.
fn span(seconds: i64) -> String {
    match seconds {
        ..=0 => "no more time".to_owned(),
        1..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_well() {
        let spans = [-5, 59, 60, 299, 3_600].map(span);
        assert_eq!(spans, ["no more time", "59 s", "1 min 00 s", "4 min 59 s", "1 h 00 min"]);
    }

    #[test]
    fn a_message_cannot_steer_the_terminal() {
        assert_eq!(plain("a\x1b[2Jb\nc\u{202e}d é"), "a [2Jb c d é");
    }
}
