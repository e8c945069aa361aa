"""One vendor account in this process: its connector, changed for a new one after trouble, and its circuit."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from sync.circuit import Circuit
from sync.gate import Answered, VendorGate
from sync.ports import Clock, Connector


class Account:
    """What all that talk to one vendor at a time share. `patience` (seconds): see `VendorGate`."""

    def __init__(
        self, name: str, connect: Callable[[], Connector], clock: Clock, patience: float, on_answer: Answered
    ) -> None:
        self.circuit = Circuit(clock)
        self._name = name
        self._connect = connect
        self._clock = clock
        self._patience = patience
        self._on_answer = on_answer
        self._connector: Connector | None = None
        self._worn: set[Connector] = set()
        self._users = Counter[Connector]()
        self._gates: list[VendorGate] = []
        self._stopping = ""

    @property
    def connector(self) -> Connector:
        """The present connector, made at first use."""
        if self._connector is None:
            self._connector = self._connect()
        return self._connector

    @asynccontextmanager
    async def gate(self, lost: Callable[[], str | None] = lambda: None) -> AsyncIterator[VendorGate]:
        """A gate for one piece of work; `lost` says why that may not write any more. What the vendor refused is tried
        again in the next piece, with a new login."""
        connector = self.connector
        gate = VendorGate(
            self._name,
            connector,
            self._clock,
            self._patience,
            circuit=self.circuit,
            lost=lost,
            on_answer=self._on_answer,
        )
        if self._stopping:
            gate.stop(self._stopping)
        self._gates.append(gate)
        self._users[connector] += 1
        try:
            yield gate
        finally:
            self._gates.remove(gate)
            self._users[connector] -= 1
            if gate.trouble in ("refused", "unreachable"):
                self._worn.add(connector)
                if self._connector is connector:
                    self._connector = None
            await self._let_go()

    def stop(self, why: str) -> None:
        """Let no vendor call begin any more; those under way go on."""
        self._stopping = why
        for gate in self._gates:
            gate.stop(why)

    async def close(self) -> None:
        """Close all connections."""
        if self._connector is not None:
            self._worn.add(self._connector)
            self._connector = None
        self._users.clear()
        await self._let_go()

    async def _let_go(self) -> None:
        for connector in [one for one in self._worn if not self._users[one]]:
            self._worn.remove(connector)
            del self._users[connector]
            await connector.close()
