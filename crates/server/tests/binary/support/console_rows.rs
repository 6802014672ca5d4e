//! Rows that the console stores.

use std::time::Duration;

use countersign_domain::account::Account;
use countersign_domain::audit::AuditEntry;
use countersign_domain::operator::{Operator, OperatorName, PasswordHash};
use countersign_domain::role::Role;
use countersign_domain::session::{Opener, SessionId, SessionRecord, SessionStage};
use countersign_domain::sid::{AuditSid, OperatorSid};
use countersign_domain::time::Instant;

/// The rows that the console stores.
pub struct ConsoleRows {
    pub operator: Operator,
    pub session: SessionRecord,
    pub entry: AuditEntry,
}

pub fn console_rows(account: &Account, now: Instant) -> ConsoleRows {
    let operator = Operator {
        sid: OperatorSid::from_bytes([5; 16]),
        account: account.sid,
        name: OperatorName::parse("ada").expect("a name"),
        role: Role::Operate,
        password: Some(PasswordHash("$argon2id$owl".to_owned())),
        created_at: now,
        updated_at: now,
    };
    let session = SessionRecord {
        id: SessionId([7; 16]),
        account: account.sid,
        opener: Opener::Operator(operator.sid),
        stage: SessionStage::Open,
        opened_at: now,
        seen_at: now,
        expires_at: now + Duration::from_secs(60),
        address: Some("192.0.2.7".parse().expect("an address")),
    };
    let entry = AuditEntry {
        sid: AuditSid::from_bytes([6; 16]),
        account: account.sid,
        at: now,
        actor: "ada".to_owned(),
        event: "sign_in".to_owned(),
        subject: None,
        refusal: None,
        address: None,
    };
    ConsoleRows { operator, session, entry }
}
