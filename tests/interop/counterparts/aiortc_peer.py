"""aiortc. It gathers before it describes itself: its candidates are in its descriptions."""

import asyncio
import json
import sys
import traceback

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.sdp import candidate_from_sdp


class Counterpart:
    """Does what it is told, says what happens, and echoes every message."""

    def __init__(self):
        self.connection = None
        self.channels = {}
        self.number = None

    async def hear(self, command):
        try:
            await getattr(self, "do_" + command["do"])(command)
        except Exception:
            self.reporter()("error", text=traceback.format_exc())

    async def do_start(self, command):
        if self.connection:
            await self.connection.close()
        self.number = command["number"]
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.channels = {}
        self.follow(self.connection, self.reporter())
        for init in command["channels"]:
            await self.do_open({"init": init})
        self.reporter()("started")

    async def do_open(self, command):
        self.adopt(self.connection.createDataChannel(**command["init"]), self.reporter())

    async def do_offer(self, command):
        await self.describe(await self.connection.createOffer())

    async def do_description(self, command):
        description = RTCSessionDescription(sdp=command["sdp"], type=command["type"])
        await self.connection.setRemoteDescription(description)
        if description.type == "offer":
            await self.describe(await self.connection.createAnswer())

    async def do_candidate(self, command):
        line = command["candidate"].removeprefix("candidate:")
        candidate = candidate_from_sdp(line)
        candidate.sdpMid = command["mid"]
        candidate.sdpMLineIndex = command["index"]
        await self.connection.addIceCandidate(candidate)

    async def do_close_channel(self, command):
        self.channels[command["label"]].close()

    async def do_close(self, command):
        await self.connection.close()

    async def describe(self, description):
        await self.connection.setLocalDescription(description)
        description = self.connection.localDescription
        self.reporter()("description", type=description.type, sdp=description.sdp)

    def reporter(self):
        """Reports of one connection stay apart from those of the next."""
        number = self.number
        return lambda event, **details: say(connection=number, say=event, **details)

    def follow(self, connection, report):
        @connection.on("connectionstatechange")
        def state():
            report("state", state=connection.connectionState)

        @connection.on("datachannel")
        def announced(channel):
            self.adopt(channel, report)
            init = {
                "label": channel.label,
                "protocol": channel.protocol,
                "ordered": channel.ordered,
                "maxRetransmits": channel.maxRetransmits,
                "maxPacketLifeTime": channel.maxPacketLifeTime,
            }
            report("announced", label=channel.label, init=init, id=channel.id)

    def adopt(self, channel, report):
        self.channels[channel.label] = channel
        received = 0

        @channel.on("open")
        def opened():
            report("open", label=channel.label, id=channel.id)

        @channel.on("close")
        def closed():
            report("closed", label=channel.label)

        @channel.on("message")
        def message(data):
            nonlocal received
            if channel.label != "bulk":
                channel.send(data)
            elif isinstance(data, bytes):
                received += len(data)
            elif data == "size?":
                channel.send(str(received))
            else:
                _, count, size = data.split()
                for _ in range(int(count)):
                    channel.send(bytes(int(size)))

        # It is open already when the other side has announced it.
        if channel.readyState == "open":
            opened()


def say(**event):
    print(json.dumps(event), flush=True)


async def main():
    reader = asyncio.StreamReader(limit=1 << 20)
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    counterpart = Counterpart()
    while line := await reader.readline():
        await counterpart.hear(json.loads(line))


asyncio.run(main())
