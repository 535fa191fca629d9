"""Whatever happened before, the tables are those of one ingest of what the live batches say is there."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hwbench_pipeline.legacy.ingest import ingest_into, undo
from hwbench_pipeline_tests.legacy.conftest import Builder, Tables

NAMES = ("a.json", "b.json", "m.json", "expected_results/a.json", "expected_results/z.json")
_builder = Builder()
_suite = _builder.suite()
DOCUMENTS = (
    _suite,
    _builder.master(embedding=_suite),
    {**_suite, "note": "a twin"},
    _builder.direct(),
    _builder.web(),
    _builder.web(simulated_note="a stamped twin"),
    [{"latency_ms": 12.5}],
    "{broken",
)
PUT = st.tuples(st.just("put"), st.sampled_from(NAMES), st.integers(0, len(DOCUMENTS) - 1))
COPY = st.tuples(st.just("copy"), st.sampled_from(NAMES), st.sampled_from(NAMES))
DELETE = st.tuples(st.just("delete"), st.sampled_from(NAMES))
INGEST = st.tuples(st.just("ingest"), st.sampled_from(("", "a.json", "expected_results")))
UNDO = st.tuples(st.just("undo"), st.integers(0, 9))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.one_of(PUT, PUT, COPY, DELETE, INGEST, INGEST, UNDO), min_size=4, max_size=14))
def test_any_history_gives_what_its_live_state_gives(steps):
    with tempfile.TemporaryDirectory() as folder:
        tree, warehouse = Path(folder, "in"), Path(folder, "w")
        tree.mkdir()
        history = _History(tree, warehouse)
        for step in steps:
            history.take(*step)
        if history.batches:
            history.require_equal(Path(folder, "fresh"))


class _History:
    """A folder and a warehouse, and what each batch should have brought: the bytes of the paths it changed."""

    def __init__(self, tree: Path, warehouse: Path) -> None:
        self.tree, self.warehouse = tree, warehouse
        self.batches: dict[str, dict[str, bytes]] = {}
        self.undone: set[str] = set()

    def take(self, action, *arguments) -> None:
        getattr(self, f"_{action}")(*arguments)

    def _put(self, name, number) -> None:
        document = DOCUMENTS[number]
        self._write(name, document.encode() if isinstance(document, str) else _builder.dumped(document))

    def _copy(self, source, target) -> None:
        if (self.tree / source).exists() and source != target:
            self._write(target, (self.tree / source).read_bytes())

    def _write(self, name, data) -> None:
        (self.tree / name).parent.mkdir(exist_ok=True)
        (self.tree / name).write_bytes(data)

    def _delete(self, name) -> None:
        (self.tree / name).unlink(missing_ok=True)

    def _ingest(self, part) -> None:
        root = self.tree / part
        if not root.exists():
            return
        found = [root] if root.is_file() else [path for path in root.rglob("*") if path.is_file()]
        before = self.live()
        ingested = ingest_into(self.warehouse, [root])
        now = {str(path.relative_to(self.tree)): path.read_bytes() for path in found}
        changed = {name: data for name, data in now.items() if before.get(name) != data}
        self.batches[ingested.batch.batch_id] = changed

    def _undo(self, number) -> None:
        can_be = [batch_id for batch_id in self.batches if batch_id not in self.undone]
        if can_be:
            batch_id = can_be[number % len(can_be)]
            undo(self.warehouse, batch_id)
            self.undone.add(batch_id)

    def live(self) -> dict[str, bytes]:
        state: dict[str, bytes] = {}
        for batch_id, changed in self.batches.items():
            if batch_id not in self.undone:
                state |= changed
        return state

    def require_equal(self, fresh: Path) -> None:
        tables = Tables.of(self.warehouse)
        live = self.live()
        shutil.rmtree(self.tree)
        self.tree.mkdir()
        for name, data in live.items():
            self._write(name, data)
        ingest_into(fresh, [self.tree])
        assert tables.without_ingests() == Tables.of(fresh).without_ingests()
