//! The streams of a server. With event ids a stream outlives its reader, and the next reader takes it up where it was.

use std::sync::{Arc, Mutex};

use http::Response;
use tokio::sync::watch;

use super::options::EventIds;
use super::{McpServer, Shared, locked};
use crate::log::LIMIT;
use crate::reply::{self, Body, Events};
use crate::server::SeenRequest;

impl McpServer {
    /// Sends a message on the newest GET stream, waiting for one to be open (10 seconds at most).
    pub async fn notify(&self, text: &str) {
        let mut streams = self.shared.streams.subscribe();
        let open = streams.wait_for(|streams| streams.iter().any(|stream| stream.is_open()));
        let stream = match tokio::time::timeout(LIMIT, open).await {
            Ok(streams) => streams.expect("the server holds the sender").iter().rfind(|s| s.is_open()).cloned(),
            Err(_) => panic!("no GET stream was opened for {LIMIT:?}"),
        };
        self.shared.send(&stream.expect("an open stream, as just seen"), text);
    }

    /// Sends a message on the newest GET stream whether someone reads it or not. Needs event ids: with them, whoever
    /// takes the stream up again gets it.
    pub fn store(&self, text: &str) {
        assert!(self.shared.options.event_ids.is_some(), "a stream without event ids keeps nothing");
        let stream = self.shared.streams.borrow().last().cloned().expect("a GET stream was opened");
        self.shared.send(&stream, text);
    }

    /// Sends a comment, as servers do to keep a quiet stream alive, on every open GET stream.
    pub fn comment(&self) {
        for stream in self.shared.streams.borrow().iter() {
            stream.comment();
        }
    }

    /// How many GET streams are open.
    pub fn open_streams(&self) -> usize {
        self.shared.streams.borrow().iter().filter(|stream| stream.is_open()).count()
    }

    /// Ends every GET stream, in good order. With event ids they can be taken up again.
    pub fn end_streams(&self) {
        if self.shared.options.event_ids.is_some() {
            self.shared.streams.borrow().iter().for_each(|stream| stream.hang_up());
        } else {
            self.shared.streams.send_modify(|streams| streams.drain(..).for_each(|stream| stream.end()));
        }
    }

    /// Ends every stream that has event ids, in good order and before its last word, as servers do that let a client
    /// come back later (SEP-1699). What they compute goes on.
    pub fn hang_up(&self) {
        locked(&self.shared.kept).iter().for_each(|stream| stream.hang_up());
    }

    /// The GETs that took up a stream again, with their `Last-Event-ID` and the time they came.
    pub fn resumptions(&self) -> Vec<SeenRequest> {
        self.requests().into_iter().filter(is_resumption).collect()
    }

    /// Waits until `n` GETs took up a stream again, 10 seconds at most.
    pub async fn wait_for_resumptions(&self, n: usize) -> Vec<SeenRequest> {
        let enough = |seen: &[SeenRequest]| seen.iter().filter(|request| is_resumption(request)).count() >= n;
        self.server.record().requests.wait_until(&format!("{n} times Last-Event-ID"), enough).await;
        self.resumptions()
    }
}

fn is_resumption(request: &SeenRequest) -> bool {
    request.headers.contains_key(LAST_EVENT_ID)
}

impl Shared {
    /// Opens a stream of this session; with event ids it is kept.
    pub(super) fn open(&self, session: &str, ids: Option<EventIds>) -> (Arc<Channel>, Response<Body>) {
        let (reader, response) = reply::events();
        let mut kept = locked(&self.kept);
        let channel = Arc::new(Channel {
            session: session.to_owned(),
            number: ids.map(|_| kept.len() + 1),
            state: Mutex::new(State { events: Vec::new(), reader: Some(reader) }),
            over: watch::Sender::new(false),
        });
        if let Some(ids) = ids {
            channel.prime(ids);
            kept.push(channel.clone());
        }
        (channel, response)
    }

    /// The stream that has this event, and the event's place in it.
    pub(super) fn find_event(&self, session: &str, id: &str) -> Option<(Arc<Channel>, usize)> {
        let (number, place) = id.strip_prefix(ID_PREFIX)?.split_once('.')?;
        let number: usize = number.parse().ok()?;
        let channel = locked(&self.kept).get(number.checked_sub(1)?).cloned()?;
        (channel.session == session).then_some((channel, place.parse().ok()?))
    }

    /// Sends one message on a stream and keeps its text.
    pub(super) fn send(&self, channel: &Channel, text: &str) {
        self.sent.push(text.to_owned());
        channel.send(text);
    }
}

/// The writing end of one stream.
pub(super) struct Channel {
    session: String,
    /// What its event ids begin with. None for a stream that is gone with its reader.
    number: Option<usize>,
    state: Mutex<State>,
    over: watch::Sender<bool>,
}

struct State {
    /// The events so far, when they have ids.
    events: Vec<String>,
    reader: Option<Events>,
}

impl Channel {
    /// One message. Whether someone reads it is what the test asks about, not this.
    pub(super) fn send(&self, text: &str) {
        let mut state = locked(&self.state);
        let id = self.number.map(|number| format!("id: {ID_PREFIX}{number}.{}\n", state.events.len()));
        self.write(&mut state, reply::event(id.as_deref().unwrap_or_default(), text));
    }

    pub(super) fn comment(&self) {
        self.raw(": keep-alive\n\n");
    }

    /// Bytes that are no event, for this reader alone.
    pub(super) fn raw(&self, bytes: &str) {
        if let Some(reader) = &locked(&self.state).reader {
            reader.raw(bytes.to_owned());
        }
    }

    /// An event without a message, so that a client has an id before the first message.
    fn prime(&self, ids: EventIds) {
        let mut state = locked(&self.state);
        let number = self.number.expect("a stream with event ids");
        let retry = ids.retry_ms.map_or_else(String::new, |retry| format!("retry: {retry}\n"));
        self.write(&mut state, format!("id: {ID_PREFIX}{number}.0\n{retry}data: \n\n"));
    }

    fn write(&self, state: &mut State, event: String) {
        if let Some(reader) = &state.reader {
            reader.raw(event.clone());
        }
        if self.number.is_some() {
            state.events.push(event);
        }
    }

    /// Lets the reader go, in good order.
    pub(super) fn hang_up(&self) {
        locked(&self.state).reader = None;
    }

    /// Nothing more will come.
    pub(super) fn end(&self) {
        self.over.send_replace(true);
        self.hang_up();
    }

    /// What came after an event, and then what comes until the stream is over. Takes the place of an older reader.
    pub(super) fn take_up(&self, after: usize) -> Response<Body> {
        let (reader, response) = reply::events();
        let mut state = locked(&self.state);
        for event in state.events.iter().skip(after + 1) {
            reader.raw(event.clone());
        }
        state.reader = (!*self.over.borrow()).then_some(reader);
        response
    }

    /// Waits until the reader has gone of its own accord, and for ever when it was let go. Keeps the stream open
    /// while it waits.
    pub(super) async fn reader_gone(&self) {
        let reader = locked(&self.state).reader.clone();
        match reader {
            Some(reader) => reader.closed().await,
            None => std::future::pending().await,
        }
    }

    /// Waits for the end.
    pub(super) async fn over(&self) {
        let mut over = self.over.subscribe();
        over.wait_for(|over| *over).await.expect("the channel holds the sender");
    }

    pub(super) fn is_of(&self, session: &str) -> bool {
        self.session == session
    }

    pub(super) fn is_open(&self) -> bool {
        locked(&self.state).reader.as_ref().is_some_and(|reader| !reader.is_closed())
    }
}

pub(super) const LAST_EVENT_ID: &str = "last-event-id";
const ID_PREFIX: &str = "testkit-event-";
