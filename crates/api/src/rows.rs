//! The table of errors: every code with its status and text (Twilio documentation). A snapshot pins each row.

use http::StatusCode;

/// One row of the table.
#[derive(Debug)]
pub(crate) struct Row {
    /// Twilio's code.
    pub(crate) code: u32,
    /// The HTTP status.
    pub(crate) status: StatusCode,
    /// Message that names nothing.
    pub(crate) text: &'static str,
    /// Message that names a parameter or a path in place of `{}`.
    pub(crate) naming: Option<&'static str>,
    /// The parameter that always causes the error.
    pub(crate) parameter: Option<&'static str>,
    /// Default reason. `None` if `text` is the reason, or if every error has a specific one.
    pub(crate) reason: Option<&'static str>,
    /// Seconds after which a retry can succeed. `None` if waiting alone does not help: SDKs wait this long and retry.
    pub(crate) retry_after: Option<u16>,
}

macro_rules! optional {
    () => {
        None
    };
    ($value:literal) => {
        Some($value)
    };
}

macro_rules! rows {
    ($($name:ident = $code:literal $status:ident $text:literal
        $(naming $naming:literal)? $(of $parameter:literal)? $(because $reason:literal)? $(retry $retry:literal)?;)*) => {
        $(pub(crate) static $name: Row = Row {
            code: $code,
            status: StatusCode::$status,
            text: $text,
            naming: optional!($($naming)?),
            parameter: optional!($($parameter)?),
            reason: optional!($($reason)?),
            retry_after: optional!($($retry)?),
        };)*

        #[cfg(test)]
        pub(crate) static ALL: &[&Row] = &[$(&$name),*];
    };
}

rows! {
    MISSING = 20001 BAD_REQUEST "Missing required parameter in the post body"
        naming "Missing required parameter {} in the post body";
    PAGE_SIZE = 20001 BAD_REQUEST "Invalid PageSize."
        of "PageSize" because "must be a whole number from 1 to 1000";
    PAGE_TOKEN = 20001 BAD_REQUEST "PageToken is required for paging"
        of "PageToken" because "pages after the first are found by the token in next_page_url";
    AUTHENTICATE = 20003 UNAUTHORIZED "Authenticate"
        because "no account, API key or device has these credentials";
    METHOD_NOT_ALLOWED = 20004 METHOD_NOT_ALLOWED "Method not allowed"
        because "the header Allow says which methods this path takes";
    ACCOUNT_NOT_ACTIVE = 20005 UNAUTHORIZED "Account not active"
        because "the account is suspended";
    PAGE_SIZE_TOO_LARGE = 20007 BAD_REQUEST "Page size too large"
        of "PageSize" because "must be a whole number from 1 to 1000";
    TOKEN_INVALID = 20101 UNAUTHORIZED "Invalid Access Token";
    TOKEN_EXPIRED = 20104 UNAUTHORIZED "Access Token expired or expiration date invalid";
    NOT_YET_VALID = 20105 UNAUTHORIZED "Access Token not yet valid";
    JWT_UNKNOWN_KEY = 20151 UNAUTHORIZED "Authentication Failed";
    JWT_HEADER = 20152 UNAUTHORIZED "Invalid Header";
    JWT_SUBJECT = 20153 UNAUTHORIZED "Invalid Issuer Or Subject";
    JWT_CLAIMS = 20154 UNAUTHORIZED "Invalid Claim Set";
    JWT_EXPIRED = 20156 UNAUTHORIZED "Expired or Invalid Expiration in Token";
    JWT_TOO_LONG = 20157 UNAUTHORIZED "Expiration Time Exceeds Maximum Time Allowed";
    FORBIDDEN = 20403 FORBIDDEN "Forbidden"
        because "a device reaches its own factor and challenges only, an access token enrols one device";
    NOT_FOUND = 20404 NOT_FOUND "The requested resource was not found"
        naming "The requested resource {} was not found";
    REQUEST_TIMEOUT = 20408 REQUEST_TIMEOUT "Request Timeout"
        because "the body did not arrive in time (http.body_seconds)";
    CONFLICT = 20409 CONFLICT "Conflict"
        because "other requests changed the same thing at the same time: send it again";
    BODY_TOO_LARGE = 20413 PAYLOAD_TOO_LARGE "Request body too large"
        because "the body has more bytes than http.body_bytes_max allows";
    UNREADABLE_BODY = 20422 BAD_REQUEST "Invalid Parameter";
    NOT_A_FORM = 20422 BAD_REQUEST "The body must be application/x-www-form-urlencoded"
        of "Content-Type";
    UPGRADE_REQUIRED = 20426 UPGRADE_REQUIRED "Upgrade Required"
        because "this path is for WebSockets";
    TOO_MANY_REQUESTS = 20429 TOO_MANY_REQUESTS "Too Many Requests" retry 1;
    HEADERS_TOO_LARGE = 20431 REQUEST_HEADER_FIELDS_TOO_LARGE "Request header fields too large"
        because "path and headers have more bytes than http.header_bytes_max allows";
    INTERNAL = 20500 INTERNAL_SERVER_ERROR "Internal Server Error"
        because "a fault of the server: its log has more by the Twilio-Request-Id";
    UNAVAILABLE = 20503 SERVICE_UNAVAILABLE "Service unavailable"
        because "the server cannot do this now" retry 1;
    SERVICE_PARAMETER = 60200 BAD_REQUEST "Invalid parameter" naming "Invalid parameter: {}";
    PAUSED = 60204 FORBIDDEN "Entity is paused for push challenges";
    TOO_MANY_SERVICES = 60200 BAD_REQUEST "Reached max limit of Services associated per Account";
    TOO_MANY_CREDENTIALS = 60300 BAD_REQUEST
        "Reached max limit of Credentials associated per Account";
    OTHER_PARAMETER = 60300 BAD_REQUEST "Invalid Param" naming "Invalid parameter: {}";
    ENTITY_EXISTS = 60301 CONFLICT "Entity already exists"
        of "Identity" because "has an entity in this service";
    ACCESS_TOKEN_PARAMETER = 60305 BAD_REQUEST "Access Token parameters are invalid"
        naming "Invalid parameter: {}";
    PARAMETER = 60306 BAD_REQUEST "Invalid Request" naming "Invalid parameter: {}";
    TOO_MANY_WEBHOOKS = 60306 BAD_REQUEST "Reached max limit of Webhooks associated per Service";
    TOO_MANY_INTEGRATIONS = 60306 BAD_REQUEST
        "Reached max limit of Integrations associated per Service";
    TOO_MANY_API_KEYS = 60306 BAD_REQUEST "Reached max limit of API keys associated per Account";
    TOO_MANY_STORED_ENTITIES = 60306 BAD_REQUEST
        "Reached max limit of Entities associated per Account";
    TOO_MANY_STORED_BYTES = 60306 BAD_REQUEST "Reached max limit of bytes stored per Account";
    PLATFORM_NONE = 60307 BAD_REQUEST
        "Cannot resend push notifications to 'none' notification platform"
        of "Config.NotificationPlatform" because "of the challenge's factor is none: its device polls";
    TOO_MANY_ANSWERS = 60308 TOO_MANY_REQUESTS "Challenge verification attempts limit reached"
        of "AuthPayload" because "was wrong too often for this challenge: open another one";
    TOO_MANY_NOTIFICATIONS = 60309 TOO_MANY_REQUESTS
        "Push notifications limit reached for a Challenge"
        because "limits.notifications_per_challenge is reached";
    TOO_MANY_CODES = 60310 TOO_MANY_REQUESTS "Factor verification attempts reached"
        of "AuthPayload" because "was wrong too often for this factor: delete it and make another one";
    FACTOR_NOT_PROVED = 60311 FORBIDDEN "Factor verification failed" of "AuthPayload";
    TOO_MANY_CHALLENGES = 60312 TOO_MANY_REQUESTS "Challenge creation limit reached"
        of "FactorSid" because "was challenged too often lately: limits.challenges_per_… of the factor or of its entity";
    TOO_MANY_PROMPTS = 60312 TOO_MANY_REQUESTS "Challenge creation limit reached";
    TOKEN_NOT_FOR_THIS = 60313 FORBIDDEN "Unauthorized factor creation";
    BINDING = 60314 BAD_REQUEST "Factors binding format is invalid";
    TOO_MANY_FACTORS = 60315 BAD_REQUEST
        "Reached max limit of Factors associated per Entity"
        naming "Reached max limit of {} Factors associated per Entity";
    FACTOR_EXISTS = 60317 CONFLICT "Factor already exists"
        of "Binding.PublicKey" because "is the key of another factor of this entity";
    FACTOR_UNVERIFIED = 60318 FORBIDDEN "Factor is unverified"
        of "FactorSid" because "is of a factor that has not been verified with an AuthPayload";
    ALREADY_ANSWERED = 60322 FORBIDDEN "Challenge already responded";
    CHALLENGE_EXPIRED = 60323 FORBIDDEN "Challenge expired";
    ANSWER_REJECTED = 60324 FORBIDDEN "Challenge verification failed" of "AuthPayload";
    WRONG_NUMBER = 60324 FORBIDDEN "Presence verification failed" of "AuthPayload";
    WRONG_CODE = 60324 FORBIDDEN "Presence verification failed" of "Code";
    TOO_MANY_FACTORS_TODAY = 60326 TOO_MANY_REQUESTS
        "Too many requests to create factors for the entity"
        because "limits.factors_per_entity_per_day is reached";
    TOO_MANY_ENTITIES = 60328 TOO_MANY_REQUESTS "Entities rate limit exceeded"
        because "limits.entities_per_account_per_second is reached" retry 1;
}
