//! Why something is refused.

use crate::rooms::wire::{Code, Refusal};

pub(super) const LIMIT_REACHED: Refusal = Refusal::new(Code::Internal, "limit reached");
pub(super) const MALFORMED: Refusal = Refusal::new(Code::InvalidSignal, "invalid signal");
pub(super) const NOBODY_TO_KICK: Refusal = Refusal::new(Code::InvalidSignal, "nobody to kick");
pub(super) const NOT_ONESELF: Refusal = Refusal::new(Code::InvalidSignal, "nobody kicks oneself");
pub(super) const NOT_IN_SUCH_ROOMS: Refusal =
    Refusal::new(Code::UnsupportedChannel, "not supported in this channel");
pub(super) const OTHER_CHANNEL: Refusal =
    Refusal::new(Code::UnsupportedChannel, "the room has another channel");
pub(super) const NO_MEDIA_SERVER: Refusal =
    Refusal::new(Code::UnsupportedChannel, "no media server");
pub(super) const NO_SUCH_ROOM: Refusal = Refusal::new(Code::RoomNotFound, "room not found");
pub(super) const NOT_IN_ROOM: Refusal = Refusal::new(Code::NotRoomMember, "not in the room");
pub(super) const THEY_NOT_IN_ROOM: Refusal =
    Refusal::new(Code::NotRoomMember, "the user is not in the room");
pub(super) const NO_RECIPIENT: Refusal =
    Refusal::new(Code::RecipientNotMember, "the recipient is not in the room");
pub(super) const ROOM_EXISTS: Refusal = Refusal::new(Code::RoomExists, "the room exists already");
pub(super) const ALREADY_PUBLISHER: Refusal =
    Refusal::new(Code::AlreadyPublisher, "a publisher already");
pub(super) const RECIPIENT_LEFT: Refusal = Refusal::new(Code::UserLeft, "the recipient has left");
pub(super) const NO_PUBLISHER: Refusal =
    Refusal::new(Code::PermissionNotFound, "only publishers may");
pub(super) const NOT_OWNER: Refusal = Refusal::new(Code::PermissionNotFound, "only the owner may");
pub(super) const CALL_FULL: Refusal =
    Refusal::new(Code::PermissionNotFound, "the call has two parties already");
pub(super) const TOO_MANY_PUBLISHERS: Refusal =
    Refusal::new(Code::PermissionNotFound, "the room has nine publishers already");
