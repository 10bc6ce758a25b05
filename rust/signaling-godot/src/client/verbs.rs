//! The verbs of `SignalingClient`: each returns a request.

use godot::prelude::*;
use signaling_protocols::godot::extended::Request;

use super::SignalingClient;
use super::argument::{Anything, Keys};
use super::options::{
    Defaults, Entrance, Options, checked, invitation, not_in_lobby, object, peer, topology,
};
use super::request::{Misuse, SignalingRequest};
use super::room::Room;
use crate::json;

#[godot_api(secondary)]
impl SignalingClient {
    /// Creates a lobby, of which we are the host. `options` may have
    ///
    /// - `mesh` ([bool]), see [member mesh], which it is otherwise;
    /// - `max_players` ([int]), ourselves included, 1 to 256, which it is otherwise;
    /// - `public` ([bool]), whether it is in lists; otherwise it is not;
    /// - `password` ([String]), see [member password], which it is otherwise; at most 64 bytes;
    /// - `metadata` ([Dictionary]), what others see of it, at most 2 KiB as JSON unless the server
    ///   allows more;
    /// - `host_policy` ([String]), see [member host_policy], which it is otherwise;
    /// - `host_grace` ([float]), how long "wait" waits, in seconds; otherwise 60;
    /// - `then_migrate` ([bool]), whether another member becomes the host then; otherwise `true`,
    ///   and if `false` the lobby ends;
    /// - `code_length` ([int]), 4 to 10; otherwise 5;
    /// - `me` ([Dictionary]), see [method update_me].
    ///
    /// The request's `value` is the code ([String]), and its `details` are what [method get_lobby]
    /// returns; of a lobby of the plain protocol, as with [member extended] off, they tell the rest
    /// too, as it is with every lobby there. [signal lobby_joined] is emitted before it is completed.
    #[func]
    fn create_lobby(
        &mut self,
        #[opt(default = Keys::none())] options: Keys,
    ) -> Gd<SignalingRequest> {
        let request = self.create_request(options.dictionary());
        self.ask_anywhere(request)
    }

    /// Joins a lobby by its code, in which case, blanks, `-` and look-alikes such as `O` and `0` do
    /// not matter. `options` may have
    ///
    /// - `password` ([String]), see [member password], which it is otherwise;
    /// - `me` ([Dictionary]), see [method update_me].
    ///
    /// The request is answered as that of [method create_lobby]. If it fails the connection stays,
    /// and another can be tried.
    #[func]
    fn join_lobby(
        &mut self,
        code: GString,
        #[opt(default = Keys::none())] options: Keys,
    ) -> Gd<SignalingRequest> {
        let request = self.join_request(&code, options.dictionary());
        self.ask_anywhere(request)
    }

    /// Joins the public lobby with the most members of those that fit `filter` and can be joined at
    /// once. If there is none, creates one: `options` are those of [method create_lobby], and it is
    /// public and without a password unless they say otherwise. So that the next one finds it, its
    /// metadata has each value that the filter wants to be equal, for a key that `options.metadata`
    /// does not have: the `mode` in `quick_join({where = {mode = "duel"}})`.
    ///
    /// `filter` may have `where`, see [method list_lobbies]. The request is answered as that of
    /// [method create_lobby].
    #[func]
    fn quick_join(
        &mut self,
        #[opt(default = Keys::none())] filter: Keys,
        #[opt(default = Keys::none())] options: Keys,
    ) -> Gd<SignalingRequest> {
        let request = self.quick_join_request(filter.dictionary(), options.dictionary());
        self.ask_anywhere(request)
    }

    /// Asks for the public lobbies. `filter` may have
    ///
    /// - `where` ([Dictionary]), what their metadata must be like: each key with the value that it
    ///   must have, or with a dictionary of one or more of `==`, `!=`, `<`, `<=`, `>`, `>=`, `in`
    ///   (an array) and `contains` (a part of a text), for example
    ///   `{mode = "ctf", level = {"<": 9}}`;
    /// - `open` ([bool]), if `true` only those that can be joined at once and without a password;
    /// - `sort` ([String]), a key of the metadata that does not begin with `@`, or `@players` or
    ///   `@code`, from the largest down with a `-` before it; otherwise the newest come first;
    /// - `offset` ([int]), how many to leave out at the beginning;
    /// - `limit` ([int]), how many at most, 1 to 100; otherwise 50.
    ///
    /// The request's `value` is an array of dictionaries with the keys `code`, `mesh`, `players`,
    /// `max_players`, `public`, `locked` (see [method update_lobby]), `sealed` (see [method
    /// seal_lobby]), `has_password`, `host_name` and `metadata`, and `details.total` ([int]) says how
    /// many there are.
    #[func]
    fn list_lobbies(
        &mut self,
        #[opt(default = Keys::none())] filter: Keys,
    ) -> Gd<SignalingRequest> {
        let mut options = Options::new("keys of a filter", filter.dictionary());
        let query = options.query();
        self.ask_anywhere(query.and_then(|query| {
            options.end()?;
            Ok(Request::List(query))
        }))
    }

    /// Asks for the public lobbies, and to be told of them from now on by [signal lobby_listed] and
    /// [signal lobby_unlisted]. `filter` may have `where`, see [method list_lobbies]. Replaces an
    /// earlier one. The request's `value` is what that of [method list_lobbies] is, at most 200.
    #[func]
    fn watch_lobbies(
        &mut self,
        #[opt(default = Keys::none())] filter: Keys,
    ) -> Gd<SignalingRequest> {
        let mut options = Options::new("keys of a filter", filter.dictionary());
        let condition = options.condition();
        self.ask_anywhere(condition.and_then(|condition| {
            options.end()?;
            Ok(Request::Watch(condition))
        }))
    }

    /// Ends [method watch_lobbies].
    #[func]
    fn unwatch_lobbies(&mut self) -> Gd<SignalingRequest> {
        self.ask_anywhere(Ok(Request::Unwatch))
    }

    /// Asks for one lobby by its code, public or not. The request's `value` is a dictionary, see
    /// [method list_lobbies].
    #[func]
    fn find_lobby(&mut self, code: GString) -> Gd<SignalingRequest> {
        self.ask_anywhere(Ok(Request::Find { code: code.to_string() }))
    }

    /// Leaves the lobby, and closes the connections to the other players. The connection to the
    /// server stays. [signal lobby_left] is emitted.
    #[func]
    fn leave_lobby(&mut self) -> Gd<SignalingRequest> {
        self.ask_in_lobby(Ok(Request::Leave))
    }

    /// Takes a member out of the lobby, as its host; it may come back. `reason` is what it is told,
    /// at most 120 bytes.
    #[func]
    fn kick(&mut self, id: i64, #[opt(default = "")] reason: GString) -> Gd<SignalingRequest> {
        self.remove(id, &reason, false)
    }

    /// Takes a member out of the lobby, as its host; it may not come back as long as the lobby
    /// lives, nor may whoever has its [member auth_token] or its address. On the server's own
    /// machine, where all have the same address, [member player_name] counts instead. `reason` is
    /// what it is told, at most 120 bytes.
    #[func]
    fn ban(&mut self, id: i64, #[opt(default = "")] reason: GString) -> Gd<SignalingRequest> {
        self.remove(id, &reason, true)
    }

    /// Makes another member the host, as the host. [signal host_changed] is emitted; in a
    /// client-server lobby everybody connects anew, see [signal migration_started].
    #[func]
    fn transfer_host(&mut self, id: i64) -> Gd<SignalingRequest> {
        self.ask_in_lobby(peer(id).map(|peer| Request::Transfer { peer }))
    }

    /// Ends the lobby, as its host. `reason` is what the members are told, at most 120 bytes.
    #[func]
    fn close_lobby(&mut self, #[opt(default = "")] reason: GString) -> Gd<SignalingRequest> {
        self.ask_in_lobby(Ok(Request::CloseLobby { reason: reason.to_string() }))
    }

    /// Changes the lobby, as its host. `changes` may have `max_players`, `public`, `password` and
    /// `metadata`, see [method create_lobby], and `locked` ([bool]), whether nobody can join for
    /// now. What is missing stays; metadata is replaced as a whole. When there are more members than
    /// `max_players` says, they stay, and nobody else can join. [signal lobby_changed] is emitted for
    /// everybody.
    #[func]
    fn update_lobby(&mut self, changes: AnyDictionary) -> Gd<SignalingRequest> {
        let mut options = Options::new("changes of a lobby", &changes);
        let changes = options.changes();
        self.ask_in_lobby(changes.and_then(|changes| {
            options.end()?;
            Ok(Request::UpdateLobby(changes))
        }))
    }

    /// Changes what the other members see of us, such as a colour or whether we are ready, as a
    /// whole; at most 1 KiB as JSON. [signal member_changed] is emitted for everybody.
    #[func]
    fn update_me(&mut self, metadata: AnyDictionary) -> Gd<SignalingRequest> {
        let metadata = object("metadata", &metadata);
        self.ask_in_lobby(metadata.map(|metadata| Request::UpdateMember { metadata }))
    }

    /// Sends something to a member, or with 0 to all others, through the server: it arrives before
    /// players are connected to each other, and in order. At most 4 KiB as JSON; the server takes
    /// 10 at once and 5 more a second. [signal lobby_message] is emitted there.
    #[func]
    fn send_lobby_message(
        &mut self,
        data: Variant,
        #[opt(default = 0)] to: i64,
    ) -> Gd<SignalingRequest> {
        let to = if to == 0 { Ok(None) } else { peer(to).map(Some) };
        let data = json::from_variant(&data).ok_or_else(no_json);
        self.ask_in_lobby(to.and_then(|to| Ok(Request::Message { to, data: data? })))
    }

    /// Sets a value of the lobby if it is `expected` at that time, so that of two members that want
    /// the same slot one gets it. `null` is a value that is not there. At most 1 KiB as JSON, keys
    /// of at most 64 bytes, 64 values. [signal lobby_value_changed] is emitted for everybody. The
    /// request's `value` is what it is now, as JSON brings it back: what was set.
    ///
    /// If it was something else the request fails with [constant FAILURE_CONFLICT], and its `value`
    /// is what it was.
    #[func]
    fn set_lobby_value(
        &mut self,
        key: GString,
        value: Variant,
        expected: Variant,
    ) -> Gd<SignalingRequest> {
        let request = || {
            let key = key.to_string();
            let value = json::from_optional(&value).ok_or_else(no_json)?;
            let expected = json::from_optional(&expected).ok_or_else(no_json)?;
            Ok(Request::SetValue { key, value, expected })
        };
        self.ask_in_lobby(request())
    }

    /// Tells a status to those who watch the namespace, such as what we are doing; `null` ends it.
    /// At most 1 KiB as JSON, and 8 namespaces. The status ends with the connection.
    #[func]
    fn set_status(
        &mut self,
        status: Variant,
        #[opt(default = "")] namespace: GString,
    ) -> Gd<SignalingRequest> {
        let namespace = namespace.to_string();
        let status = json::from_optional(&status).ok_or_else(no_json);
        self.ask_anywhere(status.map(|status| Request::SetStatus { namespace, status }))
    }

    /// Asks for the statuses in a namespace, and to be told of them from now on by [signal
    /// status_changed]. The request's `value` is an array of dictionaries with the keys `user`,
    /// `name` and `status`. At most 8 namespaces.
    #[func]
    fn watch_statuses(&mut self, #[opt(default = "")] namespace: GString) -> Gd<SignalingRequest> {
        self.ask_anywhere(Ok(Request::WatchStatus { namespace: namespace.to_string() }))
    }

    /// Ends [method watch_statuses].
    #[func]
    fn unwatch_statuses(
        &mut self,
        #[opt(default = "")] namespace: GString,
    ) -> Gd<SignalingRequest> {
        self.ask_anywhere(Ok(Request::UnwatchStatus { namespace: namespace.to_string() }))
    }

    /// Invites somebody into our lobby, by the user's id that [signal status_changed] or a member
    /// tells; `data` goes with it, at most 1 KiB as JSON. The request's `value` is the number of the
    /// invitation ([int]), which [signal invite_answered] names.
    #[func]
    fn invite(
        &mut self,
        user: GString,
        #[opt(default = Anything::nothing())] data: Anything,
    ) -> Gd<SignalingRequest> {
        let user = user.to_string();
        let data = json::from_optional(data.variant()).ok_or_else(no_json);
        self.ask_in_lobby(data.map(|data| Request::Invite { user, data }))
    }

    /// Joins the lobby of an invitation, see [signal invited], without a code or password, and also
    /// if it is locked. `options` may have `me`, see [method update_me]. The request is answered as
    /// that of [method create_lobby].
    #[func]
    fn accept_invite(
        &mut self,
        id: i64,
        #[opt(default = Keys::none())] options: Keys,
    ) -> Gd<SignalingRequest> {
        let request = || {
            let mut options = Options::new("options of an invitation", options.dictionary());
            let (invite, me) = (invitation(id)?, options.me()?);
            options.end()?;
            let (code, password) = (String::new(), String::new());
            Ok(Request::Enter { code, password, invite: Some(invite), me })
        };
        self.ask_connected(request())
    }

    /// Denies an invitation, see [signal invited].
    #[func]
    fn deny_invite(&mut self, id: i64) -> Gd<SignalingRequest> {
        self.ask_connected(invitation(id).map(|invite| Request::DenyInvite { invite }))
    }

    /// Takes an invitation back that [method invite] made.
    #[func]
    fn cancel_invite(&mut self, id: i64) -> Gd<SignalingRequest> {
        self.ask_connected(invitation(id).map(|invite| Request::CancelInvite { invite }))
    }

    /// Returns the lobby that we are in: what [method list_lobbies] tells of it, `id` ([int]), which
    /// is ours, `host` ([int]), the host's id, and `host_policy` ([String]). Of a lobby on a server
    /// of the plain protocol only `code`, `mesh`, `players`, `id` and `host` are known. Empty if we
    /// are in no lobby.
    #[func]
    fn get_lobby(&self) -> VarDictionary {
        self.room.as_ref().map(Room::describe).unwrap_or_default()
    }

    /// Returns the members of the lobby, ourselves included, in the order in which they joined. Each
    /// is a dictionary with the keys
    ///
    /// - `id` ([int]), as in `multiplayer`;
    /// - `name` ([String]), see [member player_name];
    /// - `user` ([String]), which [method invite] takes, empty for a client of the plain protocol;
    /// - `metadata` ([Dictionary]), see [method update_me];
    /// - `host` ([bool]);
    /// - `rtt` ([int]), how long a message takes from there to the server and back, in milliseconds;
    ///   -1 when it is not known;
    /// - `unstable` ([bool]), see [signal peer_unstable].
    #[func]
    fn get_members(&self) -> Array<VarDictionary> {
        self.room.as_ref().map(Room::members).unwrap_or_default()
    }

    /// Returns a value of the lobby, see [method set_lobby_value], or `null` if it is not there.
    #[func]
    fn get_lobby_value(&self, key: GString) -> Variant {
        self.room.as_ref().map(|room| room.value(&key.to_string())).unwrap_or_default()
    }

    /// Returns our id for invitations, or an empty text when the server has not told it, or does
    /// not know the extended protocol. It is another one in each session.
    #[func]
    fn get_user(&self) -> GString {
        self.user.clone()
    }
}

impl SignalingClient {
    /// What [`SignalingClient::begin`] asks for.
    pub(super) fn first_request(&self, lobby: &GString, mesh: bool) -> Result<Request, Misuse> {
        let options = VarDictionary::new();
        if !lobby.is_empty() {
            return self.join_request(lobby, &options);
        }
        self.create_request(&vdict! { "mesh" => mesh }.upcast_any_dictionary())
    }

    fn create_request(&self, options: &AnyDictionary) -> Result<Request, Misuse> {
        let mut reader = Options::new("options of a lobby", options);
        let (me, options) = (reader.me()?, reader.lobby(self.lobby_defaults(&self.password))?);
        reader.end()?;
        Ok(Request::Create { options, me })
    }

    fn join_request(&self, code: &GString, options: &AnyDictionary) -> Result<Request, Misuse> {
        if code.is_empty() {
            return Err(Misuse::invalid("A code is needed to join a lobby."));
        }
        let mut reader = Options::new("options of joining", options);
        let Entrance { password, me } = reader.entrance(self.password.to_string())?;
        reader.end()?;
        Ok(Request::Enter { code: code.to_string(), password, invite: None, me })
    }

    fn quick_join_request(
        &self,
        filter: &AnyDictionary,
        options: &AnyDictionary,
    ) -> Result<Request, Misuse> {
        let mut conditions = Options::new("keys of a filter", filter);
        let filter = conditions.condition()?;
        conditions.end()?;
        let mut public = vdict! { "public" => true };
        public.extend_dictionary(&json::untyped(options), true);
        let mut reader = Options::new("options of a lobby", &public);
        let (me, options) = (reader.me()?, reader.lobby(self.lobby_defaults(&GString::new()))?);
        reader.end()?;
        Ok(Request::QuickJoin { filter, options, me })
    }

    fn lobby_defaults(&self, password: &GString) -> Defaults {
        let host_policy = if self.extended { self.host_policy.clone() } else { "close".into() };
        Defaults { topology: topology(self.mesh), password: password.to_string(), host_policy }
    }

    fn remove(&mut self, id: i64, reason: &GString, is_ban: bool) -> Gd<SignalingRequest> {
        let reason = reason.to_string();
        self.ask_in_lobby(peer(id).map(|peer| Request::Remove { peer, reason, is_ban }))
    }

    /// Asks for something that needs no lobby. Connects first, if need be.
    fn ask_anywhere(&mut self, request: Result<Request, Misuse>) -> Gd<SignalingRequest> {
        let connected = request.and_then(checked).and_then(|request| {
            if self.session.is_none() {
                self.connect(super::endpoint(&self.url)?)?;
            }
            Ok(request)
        });
        self.ask(connected)
    }

    /// Asks for something that belongs to a connection.
    fn ask_connected(&mut self, request: Result<Request, Misuse>) -> Gd<SignalingRequest> {
        self.ask(request.and_then(checked))
    }

    /// Asks for something that is only possible in a lobby, or on the way into one.
    fn ask_in_lobby(&mut self, request: Result<Request, Misuse>) -> Gd<SignalingRequest> {
        let is_possible = self.room.is_some() || self.asked.is_entering();
        let request = request.and_then(checked);
        self.ask(request.and_then(
            |request| {
                if is_possible { Ok(request) } else { Err(not_in_lobby()) }
            },
        ))
    }

    fn ask(&mut self, request: Result<Request, Misuse>) -> Gd<SignalingRequest> {
        let asked = SignalingRequest::begin();
        match request.and_then(|request| self.ask_session(request, Some(asked.clone()))) {
            Ok(()) => asked,
            Err(misuse) => SignalingRequest::refused(misuse),
        }
    }
}

fn no_json() -> Misuse {
    Misuse::invalid("It must be JSON, without NAN and INF, that is nested at most 16 deep.")
}
