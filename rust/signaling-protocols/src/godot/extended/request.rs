//! What a client may ask for.

use serde_json::{Value, json};
use signaling_core::PeerId;

use super::fields::{Fields, Invalid, Required};
use super::filter::{Filter, Query};
use super::lobby::{LobbyChanges, LobbyOptions, map};
use super::{kind, limits};
use crate::json::{Json, Object};

/// A request. Each is answered by DONE or REFUSED.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Create a lobby and be its host. Answered by a [`LobbyView`](super::LobbyView).
    Create {
        /// What it shall be like.
        options: LobbyOptions,
        /// What the others shall see of us.
        me: Object,
    },
    /// Join a lobby. Answered by a [`LobbyView`](super::LobbyView).
    Enter {
        /// Its code, as typed; not needed with an invitation.
        code: String,
        /// Its password; not needed with an invitation.
        password: String,
        /// The invitation that is accepted by it.
        invite: Option<u64>,
        /// What the others shall see of us.
        me: Object,
    },
    /// Join the public lobby that fits best, or create one. Answered by a
    /// [`LobbyView`](super::LobbyView).
    QuickJoin {
        /// What it must be like.
        filter: Filter,
        /// What it shall be like if there is none.
        options: LobbyOptions,
        /// What the others shall see of us.
        me: Object,
    },
    /// Leave the lobby.
    Leave,
    /// Answered by `lobbies` and `total`.
    List(Query),
    /// Be told of public lobbies as they come, change and go. Answered by `lobbies`. Replaces an
    /// earlier one.
    Watch(Filter),
    /// Not any more.
    Unwatch,
    /// Answered by a [`LobbyEntry`](super::LobbyEntry), also of a lobby that is not public.
    Find {
        /// Its code, as typed.
        code: String,
    },
    /// Change the lobby. The host's right, as all down to `CloseLobby` but `UpdateMember`.
    UpdateLobby(LobbyChanges),
    /// Change what the others see of us.
    UpdateMember {
        /// As a whole.
        metadata: Object,
    },
    /// Take a member out of the lobby.
    Remove {
        /// The member.
        peer: PeerId,
        /// What it is told.
        reason: String,
        /// Whether it may not come back.
        is_ban: bool,
    },
    /// Make another member the host.
    Transfer {
        /// The member.
        peer: PeerId,
    },
    /// End the lobby.
    CloseLobby {
        /// What the members are told.
        reason: String,
    },
    /// Send something to members, before or beside their connections.
    Message {
        /// To whom; `None`: to all others.
        to: Option<PeerId>,
        /// Anything.
        data: Json,
    },
    /// Set a value of the lobby if it is what we think it is. Refused with `value` otherwise.
    SetValue {
        /// Which.
        key: String,
        /// What it shall be; `None`: gone.
        value: Option<Json>,
        /// What it is; `None`: not there.
        expected: Option<Json>,
    },
    /// Publish a status in a namespace.
    SetStatus {
        /// Where.
        namespace: String,
        /// What; `None`: nothing any more.
        status: Option<Json>,
    },
    /// Be told of statuses in a namespace. Answered by `users`.
    WatchStatus {
        /// Which.
        namespace: String,
    },
    /// Not any more.
    UnwatchStatus {
        /// Which.
        namespace: String,
    },
    /// Invite a user into our lobby. Answered by `invite`.
    Invite {
        /// The user.
        user: String,
        /// Anything.
        data: Option<Json>,
    },
    /// Decline an invitation. [`Request::Enter`] accepts one.
    DenyInvite {
        /// Which.
        invite: u64,
    },
    /// Take an invitation back.
    CancelInvite {
        /// Which.
        invite: u64,
    },
}

type Reader = fn(&mut Fields) -> Result<Request, Invalid>;

impl Request {
    /// Whether the server will understand it.
    ///
    /// # Errors
    /// [`Invalid`] when something is larger than its limit or out of its range.
    pub fn check(&self) -> Result<(), Invalid> {
        let (kind, data) = self.write();
        let mut fields = Fields::of(data)?;
        Self::reader(kind).map_or(Ok(()), |read| read(&mut fields).map(|_| ()))
    }

    /// What reads a request of this type; `None` when there is no such type.
    pub(super) fn reader(kind: u64) -> Option<Reader> {
        Some(match kind {
            kind::CREATE => read_create,
            kind::ENTER => read_enter,
            kind::QUICK_JOIN => read_quick_join,
            kind::LEAVE => |_| Ok(Self::Leave),
            kind::LIST => |fields| Query::read(fields).map(Self::List),
            kind::WATCH => |fields| Filter::read(fields).map(Self::Watch),
            kind::UNWATCH => |_| Ok(Self::Unwatch),
            kind::FIND => |fields| {
                Ok(Self::Find { code: fields.text("code", limits::CODE).required("code")? })
            },
            kind::UPDATE_LOBBY => |fields| LobbyChanges::read(fields).map(Self::UpdateLobby),
            kind::UPDATE_MEMBER => |fields| {
                let metadata = fields.object("metadata", limits::MEMBER_METADATA);
                Ok(Self::UpdateMember { metadata: metadata.required("metadata")? })
            },
            kind::REMOVE => read_remove,
            kind::TRANSFER => {
                |fields| Ok(Self::Transfer { peer: fields.peer("peer").required("peer")? })
            }
            kind::CLOSE_LOBBY => |fields| Ok(Self::CloseLobby { reason: reason(fields)? }),
            kind::MESSAGE => |fields| {
                let data = fields.json("data", limits::MESSAGE).required("data")?;
                Ok(Self::Message { to: fields.peer("to")?, data })
            },
            kind::SET_VALUE => read_set_value,
            kind::SET_STATUS => |fields| {
                let status = fields.json("status", limits::STATUS)?;
                Ok(Self::SetStatus { namespace: namespace(fields)?, status })
            },
            kind::WATCH_STATUS => |fields| Ok(Self::WatchStatus { namespace: namespace(fields)? }),
            kind::UNWATCH_STATUS => {
                |fields| Ok(Self::UnwatchStatus { namespace: namespace(fields)? })
            }
            kind::INVITE => |fields| {
                let user = fields.text("user", limits::USER).required("user")?;
                Ok(Self::Invite { user, data: fields.json("data", limits::STATUS)? })
            },
            kind::DENY_INVITE => |fields| Ok(Self::DenyInvite { invite: invite(fields)? }),
            kind::CANCEL_INVITE => |fields| Ok(Self::CancelInvite { invite: invite(fields)? }),
            _ => return None,
        })
    }

    /// The type and the `data` of a request.
    pub(super) fn write(&self) -> (u64, Value) {
        match self {
            Self::Create { options, me } => {
                let mut fields = options.write();
                fields.insert("me".to_owned(), json!(me.map()));
                (kind::CREATE, Value::Object(fields))
            }
            Self::Enter { code, password, invite, me } => (
                kind::ENTER,
                json!({"code": code, "password": password, "invite": invite, "me": me.map()}),
            ),
            Self::QuickJoin { filter, options, me } => (
                kind::QUICK_JOIN,
                json!({"where": filter.write(), "create": options.write(), "me": me.map()}),
            ),
            Self::Leave => (kind::LEAVE, json!({})),
            Self::List(query) => (kind::LIST, query.write()),
            Self::Watch(filter) => (kind::WATCH, json!({"where": filter.write()})),
            Self::Unwatch => (kind::UNWATCH, json!({})),
            Self::Find { code } => (kind::FIND, json!({"code": code})),
            Self::UpdateLobby(changes) => (kind::UPDATE_LOBBY, changes.write()),
            Self::UpdateMember { metadata } => {
                (kind::UPDATE_MEMBER, json!({"metadata": metadata.map()}))
            }
            Self::Remove { peer, reason, is_ban } => {
                (kind::REMOVE, json!({"peer": peer.get(), "reason": reason, "ban": is_ban}))
            }
            Self::Transfer { peer } => (kind::TRANSFER, json!({"peer": peer.get()})),
            Self::CloseLobby { reason } => (kind::CLOSE_LOBBY, json!({"reason": reason})),
            Self::Message { to, data } => {
                (kind::MESSAGE, json!({"to": to.map(PeerId::get), "data": data.value()}))
            }
            Self::SetValue { key, value, expected } => {
                let [value, expected] =
                    [value, expected].map(|json| json.as_ref().map(Json::value));
                (kind::SET_VALUE, json!({"key": key, "value": value, "expected": expected}))
            }
            Self::SetStatus { namespace, status } => {
                let status = status.as_ref().map(Json::value);
                (kind::SET_STATUS, json!({"namespace": namespace, "status": status}))
            }
            Self::WatchStatus { namespace } => {
                (kind::WATCH_STATUS, json!({"namespace": namespace}))
            }
            Self::UnwatchStatus { namespace } => {
                (kind::UNWATCH_STATUS, json!({"namespace": namespace}))
            }
            Self::Invite { user, data } => {
                (kind::INVITE, json!({"user": user, "data": data.as_ref().map(Json::value)}))
            }
            Self::DenyInvite { invite } => (kind::DENY_INVITE, json!({"invite": invite})),
            Self::CancelInvite { invite } => (kind::CANCEL_INVITE, json!({"invite": invite})),
        }
    }
}

fn read_create(fields: &mut Fields) -> Result<Request, Invalid> {
    Ok(Request::Create { options: LobbyOptions::read(fields)?, me: me(fields)? })
}

fn read_enter(fields: &mut Fields) -> Result<Request, Invalid> {
    Ok(Request::Enter {
        code: fields.text("code", limits::CODE)?.unwrap_or_default(),
        password: fields.text("password", limits::PASSWORD)?.unwrap_or_default(),
        invite: fields.count("invite")?,
        me: me(fields)?,
    })
}

fn read_quick_join(fields: &mut Fields) -> Result<Request, Invalid> {
    let mut create = fields.take("create").map_or_else(|| map(json!({})), map);
    // Others who look for a lobby shall find it.
    create.entry("public").or_insert(Value::Bool(true));
    let options = LobbyOptions::read(&mut Fields::of(Value::Object(create))?)?;
    Ok(Request::QuickJoin { filter: Filter::read(fields)?, options, me: me(fields)? })
}

fn read_remove(fields: &mut Fields) -> Result<Request, Invalid> {
    Ok(Request::Remove {
        peer: fields.peer("peer").required("peer")?,
        reason: reason(fields)?,
        is_ban: fields.flag("ban")?.unwrap_or_default(),
    })
}

fn read_set_value(fields: &mut Fields) -> Result<Request, Invalid> {
    Ok(Request::SetValue {
        key: fields.text("key", limits::KEY).required("key")?,
        value: fields.json("value", limits::VALUE)?,
        expected: fields.json("expected", limits::VALUE)?,
    })
}

fn me(fields: &mut Fields) -> Result<Object, Invalid> {
    Ok(fields.object("me", limits::MEMBER_METADATA)?.unwrap_or_default())
}

fn reason(fields: &mut Fields) -> Result<String, Invalid> {
    Ok(fields.text("reason", limits::REASON)?.unwrap_or_default())
}

fn namespace(fields: &mut Fields) -> Result<String, Invalid> {
    fields.text("namespace", limits::GAME).required("namespace")
}

fn invite(fields: &mut Fields) -> Result<u64, Invalid> {
    fields.count("invite").required("invite")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_would_refuse_is_found_before() {
        let find = |length| Request::Find { code: "A".repeat(length) };
        assert_eq!(find(limits::CODE).check(), Ok(()));
        let why = find(limits::CODE + 1).check().unwrap_err();
        assert_eq!(why.to_string(), "`code` must be text of at most 64 bytes");
    }
}
