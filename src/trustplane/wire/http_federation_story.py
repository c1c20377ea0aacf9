"""The written story of a change of keys with other trust domains, put together from what the server knows of them."""

from __future__ import annotations

from datetime import timedelta

from trustplane.flows.roots.federation_uptake import State
from trustplane.rotation.partner_story import Setting, Terms, story_picture, story_text
from trustplane.rotation.root_change import Order
from trustplane.spiffe.bundle import DEFAULT_REFRESH_HINT
from trustplane.trust.federation import interval
from trustplane.wire.http_door import ServerDoor
from trustplane.wire.http_federation_shapes import FederationStoryShape
from trustplane.wire.http_routes import Call


class FederationStory:
    def __init__(self, door: ServerDoor) -> None:
        self._door = door

    async def story(self, call: Call) -> FederationStoryShape:
        told = await self._door.rotation_plan(Order(call.operator(), "a plan"))
        setting = await self._setting()
        return FederationStoryShape(
            markdown=story_text(setting, told.chapters, told.seen),
            svg=story_picture(setting, told.chapters, told.seen),
        )

    async def _setting(self) -> Setting:
        own = await self._door.published_bundle()
        partners = tuple(
            Terms(
                name=peer.trust_domain.name,
                endpoint=str(relation.endpoint),
                profile=relation.profile.value,
                asked_every=interval(peer.bundle.refresh_hint if peer.bundle else None),
                sequence=peer.bundle.sequence if peer.bundle else None,
                held_by=sum(one.state is not State.STILL for one in reach),
            )
            for peer, relation, reach in await self._door.federation()
            if relation is not None
        )
        return Setting(
            own=own.trust_domain.name,
            hint=own.refresh_hint or DEFAULT_REFRESH_HINT,
            given=await self._door.published_before_use() if partners else timedelta(0),
            partners=partners,
            jwt=await self._door.next_jwt_key(),
        )
