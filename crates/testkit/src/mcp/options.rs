//! How an [`McpServer`](super::McpServer) behaves.

/// How an [`McpServer`](super::McpServer) behaves.
#[derive(Clone, Debug)]
pub struct McpOptions {
    /// How `initialize` is answered.
    pub initialize: Answers,
    /// How other requests are answered. `ask` and `progress` always stream.
    pub answers: Answers,
    /// Whether `initialize` opens a session (`Mcp-Session-Id`).
    pub session: bool,
    /// How requests of a session that is not known (any more) are answered.
    pub lost: LostSession,
    /// The revision it insists on; without, the one the host asks for.
    pub version: Option<&'static str>,
    /// Whether GET opens the notification stream; else it gets 405.
    pub get_stream: bool,
    /// Whether events have ids, so that a stream which broke can be taken up again (2025-03-26 on).
    pub event_ids: Option<EventIds>,
    /// Speaks HTTP+SSE (2024-11-05) at `/sse` instead of Streamable HTTP. Answers come on the stream that GET opened,
    /// `notify` and its like are about these streams, and a session ends with its stream.
    pub http_sse: Option<HttpSse>,
    /// Which eras it speaks at `/mcp`.
    pub era: Era,
    /// The tools that a modern client is shown.
    pub tools: ToolList,
    /// Whether messages are spread over several lines: JSON bodies with CR LF between tokens, events with many `data:`.
    pub multiline: bool,
    /// What each answer has beside the members of JSON-RPC, with a comma; some hosts drop an answer that has any.
    pub extra: &'static str,
}

/// The two ways to answer a POST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// One JSON body.
    Json,
    /// An event stream.
    Sse,
}

/// How a server tells that it does not know a session. The specification says 404; real servers say all of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LostSession {
    /// 404 with a JSON-RPC error.
    NotFound,
    /// 404 without a body.
    NotFoundEmpty,
    /// 404 with this plain text.
    NotFoundText(&'static str),
    /// 400 with a JSON-RPC error that has this message, such as [`LostSession::NO_VALID_ID`].
    BadRequest(&'static str),
    /// 400 with this plain text, such as `Session not found`.
    BadRequestText(&'static str),
}

/// How streams are that can be taken up again. Each begins with an event that has an id and no data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventIds {
    /// The `retry` of the first event, in milliseconds.
    pub retry_ms: Option<u64>,
    /// Whether the server ends the stream of a POST right after the first event, so that the client has to come back
    /// (SEP-1699).
    pub hang_up: bool,
}

/// Legacy is up to 2025-11-25, with `initialize` and sessions; modern is 2026-07-28, where every POST stands for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// Legacy alone.
    Legacy,
    /// Modern alone: `initialize` gets the error that names the versions, GET and DELETE get 405.
    Modern,
    /// Both, by how each request comes.
    Both,
}

/// What `tools/list` shows to a modern client. Beyond the usual tools there are three that answer with their arguments
/// or name: `place` is annotated with `x-mcp-header` (`region` text as `Region`, `dry` boolean as `Dry-Run`,
/// `where.floor` integer as `Floor`), `tricky` has properties named like keywords (`properties` as `Props`, `items.oneOf`
/// as `One-Of`), and `naïve` has a name that no header can hold as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ToolList {
    /// In how many pages it comes.
    pub pages: Pages,
    /// Whether there are also tools whose annotations break a rule: those of [`invalid_tools`](super::invalid_tools).
    pub invalid: bool,
}

/// The pages of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pages {
    /// All on one.
    #[default]
    One,
    /// So many entries on each.
    Of(usize),
    /// Always another one, with the first entry again.
    Endless,
}

/// How a server of HTTP+SSE behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSse {
    /// What the `endpoint` event says.
    pub endpoint: Endpoint,
    /// Status and body for a POST to `/sse`. A body that begins with `{` is sent as JSON.
    pub post: (u16, &'static str),
}

/// What the first event of HTTP+SSE says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `/messages?sessionId=…`.
    Relative,
    /// The same with the origin that the client asked for.
    Absolute,
    /// This, with `{path}` for the relative one: another origin, or nonsense.
    Text(String),
    /// Nothing: the stream opens with a comment and stays silent.
    Never,
}

impl Default for HttpSse {
    fn default() -> Self {
        Self { endpoint: Endpoint::Relative, post: (405, "Method Not Allowed") }
    }
}

impl LostSession {
    /// What servers copied from the examples of the TypeScript SDK say, together with 400.
    pub const NO_VALID_ID: &str = "Bad Request: No valid session ID provided";
}

impl Default for McpOptions {
    fn default() -> Self {
        Self {
            initialize: Answers::Json,
            answers: Answers::Json,
            session: true,
            lost: LostSession::NotFound,
            version: None,
            get_stream: true,
            event_ids: None,
            http_sse: None,
            era: Era::Legacy,
            tools: ToolList::default(),
            multiline: false,
            extra: r#""x-extra":[1.0,50],"#,
        }
    }
}
