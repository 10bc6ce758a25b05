//! The engine's view of a data channel.

use std::time::Duration;

use godot::classes::web_rtc_data_channel::{ChannelState as GodotState, WriteMode};
use godot::classes::{IWebRtcDataChannelExtension, WebRtcDataChannelExtension};
use godot::global::Error;
use godot::meta::conv::RawPtr;
use godot::prelude::*;
use signaling_webrtc::{ChannelHandle, ChannelInit, ChannelState, Message, PutError, Reliability};

/// A data channel of a [WebRTCNativePeerConnection].
///
/// Use it through [WebRTCDataChannel]: [method WebRTCPeerConnection.create_data_channel] and
/// [signal WebRTCPeerConnection.data_channel_received] give one.
///
/// Keep a reference to it, or it is closed. A packet leaves at once when it is put; nothing has to
/// be polled for that. [method PacketPeer.put_packet] returns [constant ERR_UNCONFIGURED] while
/// the channel is not open, [constant ERR_INVALID_PARAMETER] for a packet that is larger than the
/// other side takes (256 KiB between two peers of this kind), and [constant ERR_BUSY] while 16 MiB
/// wait to be sent: watch [method WebRTCDataChannel.get_buffered_amount] when you send much.
/// Packets that arrive wait in memory until they are read. A reliable channel on which 16 MiB wait
/// slows the other side down, an unreliable one loses the oldest. One that is made by `new` is
/// closed.
#[derive(GodotClass)]
#[class(tool, init, base = WebRtcDataChannelExtension, rename = WebRTCNativeDataChannel)]
pub struct WebRtcNativeDataChannel {
    /// `None` when the engine made the object: it can reload an extension only if it can make
    /// every class of it.
    channel: Option<ChannelHandle>,
    #[init(val = WriteMode::BINARY)]
    write_mode: WriteMode,
    /// The packet that was read last: the engine reads from it until it asks for the next.
    current: Message,
    base: Base<WebRtcDataChannelExtension>,
}

impl WebRtcNativeDataChannel {
    pub(super) fn from_handle(channel: ChannelHandle) -> Gd<Self> {
        Gd::from_init_fn(|base| Self {
            channel: Some(channel),
            write_mode: WriteMode::BINARY,
            current: Message::default(),
            base,
        })
    }

    fn init(&self) -> Option<&ChannelInit> {
        self.channel.as_ref().map(ChannelHandle::init)
    }
}

/// What the engine shows where a number was not specified, and for an id that is not known yet.
const UNSPECIFIED: i32 = 65_535;

#[godot_api]
impl IWebRtcDataChannelExtension for WebRtcNativeDataChannel {
    #[expect(unsafe_code, reason = "the engine hands out packets by pointer")]
    unsafe fn get_packet_rawptr(
        &mut self,
        r_buffer: RawPtr<*mut RawPtr<*const u8>>,
        r_buffer_size: RawPtr<*mut i32>,
    ) -> Error {
        let message = self.channel.as_ref().and_then(ChannelHandle::take);
        let Some(message) = message else { return Error::ERR_UNAVAILABLE };
        self.current = message;
        let data = &self.current.data;
        // SAFETY: the engine passes two pointers to variables of its own, the first of them a
        // plain pointer, and reads `data` only until the next call of this method, which is the
        // only place where `current` changes, or the end of this object.
        unsafe {
            r_buffer.ptr().cast::<*const u8>().write(data.as_ptr());
            r_buffer_size.ptr().write(saturate(data.len()));
        }
        Error::OK
    }

    #[expect(unsafe_code, reason = "the engine hands over packets by pointer")]
    unsafe fn put_packet_rawptr(
        &mut self,
        p_buffer: RawPtr<*const u8>,
        p_buffer_size: i32,
    ) -> Error {
        let Ok(size) = usize::try_from(p_buffer_size) else { return Error::ERR_INVALID_PARAMETER };
        let data = if size == 0 {
            // The pointer may be null then.
            &[]
        } else {
            // SAFETY: the engine passes a pointer to that many bytes, which live through this call.
            unsafe { std::slice::from_raw_parts(p_buffer.ptr(), size) }
        };
        let Some(channel) = &self.channel else { return Error::ERR_UNCONFIGURED };
        match channel.put(data, self.write_mode == WriteMode::TEXT) {
            Ok(()) => Error::OK,
            Err(PutError::NotOpen | PutError::Closed) => Error::ERR_UNCONFIGURED,
            Err(PutError::TooLarge(_)) => Error::ERR_INVALID_PARAMETER,
            Err(PutError::Full) => Error::ERR_BUSY,
        }
    }

    fn get_available_packet_count(&self) -> i32 {
        self.channel.as_ref().map_or(0, |channel| saturate(channel.available()))
    }

    fn get_max_packet_size(&self) -> i32 {
        self.channel.as_ref().map_or(0, |channel| saturate(channel.max_message_bytes()))
    }

    fn poll(&mut self) -> Error {
        Error::OK
    }

    fn close(&mut self) {
        self.channel.iter().for_each(ChannelHandle::close);
    }

    fn set_write_mode(&mut self, p_write_mode: WriteMode) {
        self.write_mode = p_write_mode;
    }

    fn get_write_mode(&self) -> WriteMode {
        self.write_mode
    }

    fn was_string_packet(&self) -> bool {
        self.current.text
    }

    fn get_ready_state(&self) -> GodotState {
        match self.channel.as_ref().map(ChannelHandle::state) {
            Some(ChannelState::Connecting) => GodotState::CONNECTING,
            Some(ChannelState::Open) => GodotState::OPEN,
            Some(ChannelState::Closing) => GodotState::CLOSING,
            Some(ChannelState::Closed) | None => GodotState::CLOSED,
        }
    }

    fn get_label(&self) -> GString {
        self.init().map(|init| GString::from(&init.label)).unwrap_or_default()
    }

    fn is_ordered(&self) -> bool {
        self.init().is_none_or(|init| init.ordered)
    }

    fn get_id(&self) -> i32 {
        self.channel.as_ref().and_then(ChannelHandle::id).map_or(UNSPECIFIED, i32::from)
    }

    fn get_max_packet_life_time(&self) -> i32 {
        match self.init().map(|init| init.reliability) {
            Some(Reliability::MaxPacketLifeTime(time)) => whole_milliseconds(time),
            Some(Reliability::Reliable | Reliability::MaxRetransmits(_)) | None => UNSPECIFIED,
        }
    }

    fn get_max_retransmits(&self) -> i32 {
        match self.init().map(|init| init.reliability) {
            Some(Reliability::MaxRetransmits(count)) => count.into(),
            Some(Reliability::Reliable | Reliability::MaxPacketLifeTime(_)) | None => UNSPECIFIED,
        }
    }

    fn get_protocol(&self) -> GString {
        self.init().map(|init| GString::from(&init.protocol)).unwrap_or_default()
    }

    fn is_negotiated(&self) -> bool {
        self.init().is_some_and(|init| init.negotiated.is_some())
    }

    fn get_buffered_amount(&self) -> i32 {
        self.channel.as_ref().map_or(0, |channel| saturate(channel.buffered_amount()))
    }
}

fn saturate(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn whole_milliseconds(time: Duration) -> i32 {
    i32::try_from(time.as_millis()).unwrap_or(UNSPECIFIED)
}
