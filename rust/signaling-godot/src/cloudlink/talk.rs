//! What `CloudLinkClient` says to other members over data channels.

use godot::global::Error;
use godot::prelude::*;
use signaling_protocols::cloudlink5::channels::link::DEFAULT;
use signaling_protocols::cloudlink5::channels::{ListChange, Packet, Scope, ShareError};

use super::CloudLinkClient;
use super::channels::Channels;
use crate::json;

#[godot_api(secondary)]
impl CloudLinkClient {
    /// Sends a message to all members to whom the channel is open, if any: anything that JSON
    /// knows, nested at most 16 deep, at most 256 KiB in all. [signal message_received] is emitted
    /// there, in web clients what they have for it. Needs [member open_channels], as all that goes
    /// over channels. In JSON all numbers are [float], and what it has no word for, such as a
    /// [Vector2], becomes text.
    ///
    /// Returns [constant OK], [constant ERR_UNCONFIGURED] if there are no channels, [constant
    /// ERR_INVALID_PARAMETER] for what is no JSON or larger than somebody takes, or [constant
    /// ERR_BUSY] if 16 MiB wait to be sent to somebody. The others get it nevertheless.
    #[func]
    fn send_message(
        &mut self,
        message: Variant,
        #[opt(default = "default")] channel: GString,
    ) -> Error {
        let Some(payload) = json::text(&message) else {
            return Error::ERR_INVALID_PARAMETER;
        };
        let (scope, channel) = (Scope::Global, channel.to_string());
        self.with_channels(|channels| {
            channels.send_to_all(&channel, &Packet::Message { scope, payload })
        })
    }

    /// Sends a message to one member alone. Returns what [method send_message] returns, [constant
    /// ERR_UNCONFIGURED] also while the channel to the member is not open.
    #[func]
    fn send_private_message(
        &mut self,
        member: GString,
        message: Variant,
        #[opt(default = "default")] channel: GString,
    ) -> Error {
        let Some(payload) = json::text(&message) else {
            return Error::ERR_INVALID_PARAMETER;
        };
        let (scope, channel) = (Scope::Private, channel.to_string());
        let packet = Packet::Message { scope, payload };
        self.with_channels(|channels| channels.send(&member.to_string(), &channel, &packet))
    }

    /// Opens a further channel to a member, under a name of at most 256 bytes, at most 64 of them.
    /// Messages arrive in order unless `ordered` is `false`. [signal channel_opened] follows on both
    /// sides, here first. A game keeps what comes before it has the channel too; a web client loses
    /// it. If both open one of the same name at once, one of the two is closed again.
    ///
    /// Returns [constant OK], [constant ERR_UNCONFIGURED] while the channel [code]default[/code] is
    /// not open, [constant ERR_ALREADY_EXISTS], [constant ERR_INVALID_PARAMETER] if the name is too
    /// long, [constant ERR_OUT_OF_MEMORY] if there are too many, [constant ERR_BUSY] if 16 MiB wait
    /// to be sent to the member, or [constant ERR_CANT_CREATE] if the connection makes no more.
    #[func]
    fn open_channel(
        &mut self,
        member: GString,
        channel: GString,
        #[opt(default = true)] ordered: bool,
    ) -> Error {
        let (member, channel) = (member.to_string(), channel.to_string());
        self.with_channels(|channels| channels.open(&member, &channel, ordered))
    }

    /// Closes a channel that [method open_channel] has opened, on either side. Returns [constant
    /// OK], or [constant ERR_UNCONFIGURED] if there is none.
    #[func]
    fn close_channel(&mut self, member: GString, channel: GString) -> Error {
        let (member, channel) = (member.to_string(), channel.to_string());
        self.with_channels(|channels| match channels.close_channel(&member, &channel) {
            true => Error::OK,
            false => Error::ERR_UNCONFIGURED,
        })
    }

    /// Returns the names of the channels that are open to a member, [code]default[/code] first.
    #[func]
    fn get_channels(&self, member: GString) -> PackedStringArray {
        let neighbours = self.neighbours.as_ref();
        let channels = neighbours.and_then(|neighbours| neighbours.channels());
        let names = channels.map(|channels| channels.borrow().names(&member.to_string()));
        names.into_iter().flatten().map(|name| GString::from(&name)).collect()
    }

    /// Shares a variable with all members, or with one alone, until [method unshare]: everybody has
    /// to do so with the same id. The others are told when it changes, and not what it is at first;
    /// whoever comes later is told of the next change. At most 1 MiB as JSON, and a change at most
    /// 256 KiB.
    ///
    /// Returns [constant OK], [constant ERR_ALREADY_EXISTS] if the id is taken, or [constant
    /// ERR_INVALID_PARAMETER] for what is no JSON or too large.
    #[func]
    fn share_variable(
        &mut self,
        id: GString,
        value: Variant,
        #[opt(default = "")] member: GString,
    ) -> Error {
        let Some(value) = json::text(&value) else {
            return Error::ERR_INVALID_PARAMETER;
        };
        let member = member.to_string();
        let member = Some(&*member).filter(|member| !member.is_empty());
        error(self.shared.share_variable(&id.to_string(), member, &value))
    }

    /// Shares a list, of at most 65536 items, as [method share_variable] does a variable.
    #[func]
    fn share_list(
        &mut self,
        id: GString,
        items: VarArray,
        #[opt(default = "")] member: GString,
    ) -> Error {
        let Some(items) = texts(&items) else { return Error::ERR_INVALID_PARAMETER };
        let member = member.to_string();
        let member = Some(&*member).filter(|member| !member.is_empty());
        error(self.shared.share_list(&id.to_string(), member, items))
    }

    /// Ends [method share_variable] or [method share_list]. Returns `false` if there was nothing.
    #[func]
    fn unshare(&mut self, id: GString) -> bool {
        self.shared.unshare(&id.to_string())
    }

    /// Returns the value of a variable that is shared, otherwise `null`.
    #[func]
    fn get_variable(&self, id: GString) -> Variant {
        self.shared.variable(&id.to_string()).map(json::parsed).unwrap_or_default()
    }

    /// Returns the items of a list that is shared, otherwise an empty one.
    #[func]
    fn get_list(&self, id: GString) -> VarArray {
        self.shared_list(&id.to_string())
    }

    /// Changes a variable, and tells those with whom it is shared, as far as they are connected.
    ///
    /// Returns [constant OK], [constant ERR_DOES_NOT_EXIST] if there is no such variable, or
    /// [constant ERR_INVALID_PARAMETER] for what is no JSON or too large; nothing is changed then.
    /// It is changed here alone with [constant ERR_BUSY], if 16 MiB wait to be sent to somebody.
    #[func]
    fn set_variable(&mut self, id: GString, value: Variant) -> Error {
        let Some(value) = json::text(&value) else {
            return Error::ERR_INVALID_PARAMETER;
        };
        let id = id.to_string();
        let packet = self.shared.set_variable(&id, &value);
        self.tell_change(&id, packet)
    }

    /// Changes all items of a list, and tells as [method set_variable] does. Returns the same.
    #[func]
    fn set_list(&mut self, id: GString, items: VarArray) -> Error {
        match texts(&items) {
            Some(items) => self.change_list(&id, &ListChange::Set(items)),
            None => Error::ERR_INVALID_PARAMETER,
        }
    }

    /// Changes one item of a list, which is longer by that if need be. The first is 0. Returns what
    /// [method set_variable] returns.
    #[func]
    fn set_list_item(&mut self, id: GString, index: i64, value: Variant) -> Error {
        let index = usize::try_from(index).ok();
        match index.zip(json::text(&value)) {
            Some((index, value)) => self.change_list(&id, &ListChange::Replace { index, value }),
            None => Error::ERR_INVALID_PARAMETER,
        }
    }

    /// Changes how many items a list has; new ones are `null`. Returns what [method set_variable]
    /// returns.
    #[func]
    fn resize_list(&mut self, id: GString, length: i64) -> Error {
        match usize::try_from(length) {
            Ok(length) => self.change_list(&id, &ListChange::Length(length)),
            Err(_) => Error::ERR_INVALID_PARAMETER,
        }
    }

    /// Tells a member that a call of its is not accepted, see [signal call_received]. Returns what
    /// [method send_private_message] returns.
    #[func]
    fn decline_call(&mut self, member: GString) -> Error {
        self.with_channels(|channels| channels.send(&member.to_string(), DEFAULT, &Packet::Decline))
    }

    /// Tells a member that a call is over. Returns what [method send_private_message] returns.
    #[func]
    fn end_call(&mut self, member: GString) -> Error {
        self.with_channels(|channels| channels.send(&member.to_string(), DEFAULT, &Packet::Hangup))
    }
}

impl CloudLinkClient {
    pub(super) fn shared_list(&self, id: &str) -> VarArray {
        let items = self.shared.list(id).unwrap_or_default();
        items.iter().map(|item| json::parsed(item)).collect()
    }

    fn change_list(&mut self, id: &GString, change: &ListChange) -> Error {
        let id = id.to_string();
        let packet = self.shared.change_list(&id, change);
        self.tell_change(&id, packet)
    }

    /// Tells a change to those with whom it is shared.
    fn tell_change(&self, id: &str, packet: Result<Packet, ShareError>) -> Error {
        let packet = match packet {
            Ok(packet) => packet,
            refused => return error(refused.map(|_| ())),
        };
        let told = self.with_channels(|channels| match self.shared.peer(id) {
            Some(member) => channels.send(member, DEFAULT, &packet),
            None => channels.send_to_all(DEFAULT, &packet),
        });
        if told == Error::ERR_UNCONFIGURED { Error::OK } else { told }
    }

    fn with_channels(&self, say: impl FnOnce(&mut Channels) -> Error) -> Error {
        let neighbours = self.neighbours.as_ref();
        let channels = neighbours.and_then(|neighbours| neighbours.channels());
        channels.map_or(Error::ERR_UNCONFIGURED, |channels| say(&mut channels.borrow_mut()))
    }
}

fn texts(items: &VarArray) -> Option<Vec<String>> {
    items.iter_shared().map(|item| json::text(&item)).collect()
}

fn error(shared: Result<(), ShareError>) -> Error {
    match shared {
        Ok(()) => Error::OK,
        Err(ShareError::Taken) => Error::ERR_ALREADY_EXISTS,
        Err(ShareError::Unknown) => Error::ERR_DOES_NOT_EXIST,
        Err(ShareError::TooLarge) => Error::ERR_INVALID_PARAMETER,
    }
}
