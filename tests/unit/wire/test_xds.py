"""xDS over real gRPC on a Unix socket, spoken to as an Envoy would, with messages from the Envoy binary."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import grpc
import pytest
from cryptography import x509

from tests.kit.envoy_bench import DESCRIPTOR_CACHE
from tests.kit.sidecars import ACME, HERE, PAY, WEB, authority, bundles_of, keyed
from tests.kit.xds_ports import Attested, Desired
from trustplane.host.envoy import find_envoy
from trustplane.main.bench_ports import Recorded
from trustplane.spiffe.x509_svid import KeyedSvid
from trustplane.wire.descriptors import Descriptors
from trustplane.wire.xds import SERVER_OPTIONS, services
from trustplane.wire.xds_messages import XdsMessages
from trustplane.wire.xds_stream import XdsPorts
from trustplane.xds.builds import OLDEST
from trustplane.xds.guards import published
from trustplane.xds.resources import Kind
from trustplane.xds.sds_names import secrets_offer
from trustplane.xds.snapshot import snapshot

pytestmark = pytest.mark.network

Message: TypeAlias = Any  # a protobuf message whose class is made at run time

CA, FOREIGN = authority(), authority("other.example")
WEB_SVID = keyed(CA, WEB.spiffe_id)
BUNDLES = bundles_of(CA, FOREIGN)
NOW = datetime.now(UTC)  # noqa: TID251 - the test CA's certificates are valid then; nothing depends on the instant
ADS = "/envoy.service.discovery.v3.AggregatedDiscoveryService/"
SDS = "/envoy.service.secret.v3.SecretDiscoveryService/"


def web(build: tuple[int, int] = OLDEST) -> dict[str, object]:
    """What shop/web's Envoy says of itself."""
    major, minor = build
    return {
        "id": "shop/web",
        "user_agent_build_version": {"version": {"major_number": major, "minor_number": minor}},
    }


class Caller:
    """An Envoy's side of the connection."""

    def __init__(self, descriptors: Descriptors, channel: grpc.aio.Channel) -> None:
        self._descriptors = descriptors
        self._channel = channel

    def message(self, name: str, **fields: object) -> Message:
        return self._descriptors.message("envoy.service.discovery.v3." + name)(**fields)

    def asked(self, *names: str, kind: Kind = Kind.SECRET, **fields: object) -> Message:
        return self.message("DiscoveryRequest", node=web(), type_url=kind.type_url, resource_names=names, **fields)

    def asked_delta(self, *names: str, kind: Kind, **fields: object) -> Message:
        fields["resource_names_subscribe"] = names
        return self.message("DeltaDiscoveryRequest", node=web(), type_url=kind.type_url, **fields)

    def stream(self, path: str) -> Message:
        delta = "Delta" if "Delta" in path else ""
        return self._channel.stream_stream(
            path,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=type(self.message(f"{delta}DiscoveryResponse")).FromString,
        )()

    async def fetch(self, *names: str) -> Message:
        call: Message = self._channel.unary_unary(
            SDS + "FetchSecrets",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=type(self.message("DiscoveryResponse")).FromString,
        )
        return await call(self.asked(*names))

    def secrets(self, response: Message) -> dict[str, dict[str, Message]]:
        found = [self._descriptors.dictionary(one) for one in response.resources]
        return {str(one["name"]): one for one in found}


class Watching:
    """What was told of streams."""

    def __init__(self) -> None:
        self.attached_as: list[tuple[str, str]] = []
        self.builds: list[tuple[int, ...]] = []
        self.sent: list[int] = []  # how many answers were on their way, each time it was told
        self.numbers: set[int] = set()
        self.refusals = 0
        self.ended: list[int] = []

    def attached(self, service: str, stream: int, peer: str, admin: str, build: tuple[int, ...]) -> None:
        self.builds.append(build)
        assert peer.startswith("unix:")
        self.attached_as.append((service, admin))
        self.numbers.add(stream)

    def on_its_way(self, stream: int, answers: frozenset[str]) -> None:
        if stream in self.numbers:
            self.sent.append(len(answers))

    def refused(self, stream: int) -> None:
        if stream in self.numbers:
            self.refusals += 1

    def detached(self, stream: int) -> None:
        if stream in self.numbers:
            self.ended.append(stream)


class World:
    def __init__(self) -> None:
        self.peers, self.desired, self.uptake = Attested(), Desired(), Recorded()
        self.watching = Watching()

    def serve_identities(self, *identities: KeyedSvid) -> None:
        self.desired.identities = published(secrets_offer(identities, BUNDLES, ACME), NOW)
        self.desired.move()


@asynccontextmanager
async def served(folder: Path, world: World) -> AsyncIterator[Caller]:
    descriptors = Descriptors.of(find_envoy(None), DESCRIPTOR_CACHE)
    server = grpc.aio.server(options=SERVER_OPTIONS)
    ports = XdsPorts(world.peers, world.desired, world.uptake, world.watching)
    server.add_generic_rpc_handlers(services(ports, XdsMessages(descriptors)))
    server.add_insecure_port(f"unix:{folder}/xds.sock")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"unix:{folder}/xds.sock") as channel:
            yield Caller(descriptors, channel)
    finally:
        await server.stop(0)


def talk(folder: Path, scenario: Callable[[World, Caller], Awaitable[None]]) -> None:
    async def whole() -> None:
        world = World()
        world.serve_identities(WEB_SVID)
        web = snapshot(WEB, WEB_SVID, bundles_of(CA), HERE)
        world.desired.publish("shop/web", published(web, NOW))
        async with served(folder, world) as caller:
            await scenario(world, caller)

    asyncio.run(whole())


async def status_of(call: Message) -> grpc.StatusCode:
    """How the call ends, whatever it answers before."""
    found = await call.code()
    assert isinstance(found, grpc.StatusCode)
    return found


BUNDLE_NAMES = {"spiffe://acme.example", "spiffe://other.example"}
SPIRE_NAMES: dict[tuple[str, ...], Iterable[str]] = {
    (str(WEB.spiffe_id),): {str(WEB.spiffe_id)},
    ("default",): {"default"},
    ("spiffe://acme.example",): {"spiffe://acme.example"},
    ("spiffe://other.example",): {"spiffe://other.example"},
    ("ROOTCA",): {"ROOTCA"},
    ("ALL",): {"ALL"},
    ("ROOTCA", "ALL", "spiffe://acme.example"): {"ROOTCA", "ALL", "spiffe://acme.example"},
    (): {str(WEB.spiffe_id), *BUNDLE_NAMES},
}


@pytest.mark.parametrize("names", SPIRE_NAMES, ids=lambda names: "+".join(names) or "no names")
def test_sds_serves_the_names_spire_serves(socket_dir: Path, names: tuple[str, ...]) -> None:
    async def scenario(world: World, caller: Caller) -> None:
        fetched = caller.secrets(await caller.fetch(*names))
        assert set(fetched) == set(SPIRE_NAMES[names])
        stream = caller.stream(SDS + "StreamSecrets")
        await stream.write(caller.asked(*names))
        assert caller.secrets(await stream.read()) == fetched
        delta = caller.stream(SDS + "DeltaSecrets")
        await delta.write(caller.asked_delta(*names, kind=Kind.SECRET))
        answer = await delta.read()
        assert {one.name for one in answer.resources} == set(fetched)

    talk(socket_dir, scenario)


def test_a_certificate_comes_with_its_key_and_chain(socket_dir: Path) -> None:
    async def scenario(world: World, caller: Caller) -> None:
        secret = caller.secrets(await caller.fetch("default"))["default"]["tls_certificate"]
        chain = x509.load_pem_x509_certificates(secret["certificate_chain"]["inline_string"].encode())
        assert tuple(chain) == WEB_SVID.svid.chain
        assert secret["private_key"]["inline_string"].encode() == WEB_SVID.key_pem()

    talk(socket_dir, scenario)


@pytest.mark.parametrize(
    "name", ["spiffe://acme.example/ns/shop/sa/pay", "nonsense", "spiffe://unknown.example", "x" * 3000]
)
def test_a_name_that_is_not_served_ends_the_stream_with_invalid_argument(socket_dir: Path, name: str) -> None:
    async def scenario(world: World, caller: Caller) -> None:
        stream = caller.stream(SDS + "StreamSecrets")
        await stream.write(caller.asked(name))
        assert await status_of(stream) is grpc.StatusCode.INVALID_ARGUMENT
        with pytest.raises(grpc.aio.AioRpcError) as fetched:
            await caller.fetch(name)
        assert fetched.value.code() is grpc.StatusCode.INVALID_ARGUMENT

    talk(socket_dir, scenario)


def test_a_renewed_certificate_is_pushed_and_its_ack_is_recorded_under_a_name_that_claims_nothing(
    socket_dir: Path,
) -> None:
    async def scenario(world: World, caller: Caller) -> None:
        stream = caller.stream(SDS + "StreamSecrets")
        await stream.write(caller.asked("default"))
        first = await stream.read()
        await stream.write(caller.asked("default", version_info=first.version_info, response_nonce=first.nonce))
        renewed = keyed(CA, WEB.spiffe_id)
        world.serve_identities(renewed)
        second = await stream.read()
        assert second.version_info != first.version_info
        await stream.write(caller.asked("default", version_info=second.version_info, response_nonce=second.nonce))
        desired = world.desired.identities
        assert desired is not None
        known_as = desired.offer.of(Kind.SECRET)["default"].known_as
        record = ("unix: 'shop/web'", "secret/default")
        await world.uptake.until(lambda: record in world.uptake.held and world.uptake.held[record].held == known_as)

    talk(socket_dir, scenario)


def test_an_identity_that_is_withdrawn_ends_the_stream(socket_dir: Path) -> None:
    async def scenario(world: World, caller: Caller) -> None:
        stream = caller.stream(SDS + "StreamSecrets")
        await stream.write(caller.asked(str(WEB.spiffe_id)))
        assert await stream.read()
        world.serve_identities(keyed(CA, PAY.spiffe_id))
        assert await status_of(stream) is grpc.StatusCode.INVALID_ARGUMENT

    talk(socket_dir, scenario)


@pytest.mark.parametrize(
    "path", [ADS + "StreamAggregatedResources", ADS + "DeltaAggregatedResources", SDS + "StreamSecrets"]
)
def test_a_peer_that_is_not_entitled_is_denied_before_it_is_told_anything(socket_dir: Path, path: str) -> None:
    async def scenario(world: World, caller: Caller) -> None:
        world.peers.found = frozenset()
        stream = caller.stream(path)
        asked = caller.asked_delta(kind=Kind.SECRET) if "Delta" in path else caller.asked()
        await stream.write(asked)
        assert await status_of(stream) is grpc.StatusCode.PERMISSION_DENIED
        assert world.peers.asked == ["unix:"]

    talk(socket_dir, scenario)


@pytest.mark.parametrize("node", [web((1, 38)), web((0, 99)), {"id": "shop/web"}], ids=["1.38", "0.99", "silent"])
def test_a_sidecar_whose_build_was_not_tried_is_told_nothing_and_that_is_reported(
    socket_dir: Path, node: dict[str, object]
) -> None:
    async def scenario(world: World, caller: Caller) -> None:
        stream = caller.stream(ADS + "DeltaAggregatedResources")
        await stream.write(caller.message("DeltaDiscoveryRequest", node=node, type_url=Kind.CLUSTER.type_url))
        await world.uptake.until(
            lambda: "xds-proxy-too-old" in str(world.uptake.held.get(("shop/web", "listener/inbound")))
        )
        assert {one.held for one in world.uptake.held.values()} == {""}

    talk(socket_dir, scenario)


def test_a_node_of_another_name_is_denied(socket_dir: Path) -> None:
    async def scenario(world: World, caller: Caller) -> None:
        stream = caller.stream(ADS + "DeltaAggregatedResources")
        await stream.write(
            caller.message("DeltaDiscoveryRequest", node={"id": "shop/pay"}, type_url=Kind.CLUSTER.type_url)
        )
        assert await status_of(stream) is grpc.StatusCode.PERMISSION_DENIED

    talk(socket_dir, scenario)


@pytest.mark.parametrize("path", [ADS + "StreamAggregatedResources", ADS + "DeltaAggregatedResources"])
def test_ads_answers_each_type_with_its_resources_and_records_the_refusal(socket_dir: Path, path: str) -> None:
    async def scenario(world: World, caller: Caller) -> None:
        ask = caller.asked_delta if "Delta" in path else caller.asked
        stream = caller.stream(path)
        await stream.write(ask(kind=Kind.CLUSTER))
        clusters = await stream.read()
        assert len(clusters.resources) == 3
        await stream.write(ask(kind=Kind.CLUSTER, response_nonce=clusters.nonce, error_detail={"message": "not today"}))
        record = ("shop/web", "cluster/app")
        await world.uptake.until(lambda: record in world.uptake.held and bool(world.uptake.held[record].refusal))
        assert world.uptake.held[record].refusal == "not today"
        assert world.uptake.held[record].held == ""
        assert world.watching.refusals == 1

    talk(socket_dir, scenario)


def test_a_type_we_do_not_serve_is_refused(socket_dir: Path) -> None:
    async def scenario(world: World, caller: Caller) -> None:
        for path, url in ((ADS, "type.googleapis.com/envoy.nothing"), (SDS, Kind.CLUSTER.type_url)):
            stream = caller.stream(path + ("StreamSecrets" if path == SDS else "StreamAggregatedResources"))
            await stream.write(caller.message("DiscoveryRequest", node=web(), type_url=url))
            assert await status_of(stream) is grpc.StatusCode.INVALID_ARGUMENT

    talk(socket_dir, scenario)


def test_identities_that_are_still_being_issued_are_something_to_wait_for(socket_dir: Path) -> None:
    async def scenario(world: World, caller: Caller) -> None:
        world.desired.identities = None
        with pytest.raises(grpc.aio.AioRpcError) as fetched:
            await caller.fetch("default")
        assert fetched.value.code() is grpc.StatusCode.UNAVAILABLE
        stream = caller.stream(SDS + "StreamSecrets")
        await stream.write(caller.asked("default"))
        world.serve_identities(WEB_SVID)
        assert set(caller.secrets(await stream.read())) == {"default"}

    talk(socket_dir, scenario)


def test_who_watches_is_told_what_is_on_its_way_and_where_the_administration_is(socket_dir: Path) -> None:
    async def scenario(world: World, caller: Caller) -> None:
        stream = caller.stream(ADS + "DeltaAggregatedResources")
        asked = caller.asked_delta(kind=Kind.CLUSTER)
        asked.node.metadata.update({"trustplane": {"admin": "/run/web/admin.sock"}})
        await stream.write(asked)
        answer = await stream.read()
        assert world.watching.attached_as == [("shop/web", "/run/web/admin.sock")]
        assert world.watching.builds
        assert world.watching.sent[-1] == 1
        await stream.write(caller.asked_delta(kind=Kind.CLUSTER, response_nonce=answer.nonce))
        await world.uptake.until(lambda: not world.watching.sent[-1])
        await stream.done_writing()
        await status_of(stream)
        assert world.watching.ended == list(world.watching.numbers)

    talk(socket_dir, scenario)


def test_one_that_names_no_administration_has_none(socket_dir: Path) -> None:
    async def scenario(world: World, caller: Caller) -> None:
        stream = caller.stream(ADS + "DeltaAggregatedResources")
        await stream.write(caller.asked_delta(kind=Kind.CLUSTER))
        await stream.read()
        assert world.watching.attached_as == [("shop/web", "")]

    talk(socket_dir, scenario)
