"""The one-layer embedder's short cut, token slices, and what the `hef` stage's examples promise."""
import dataclasses
import json
import random

import numpy as np
import pytest
import torch

from hef_training import evaluate, fuser_train, generator, hef, lm, nodes, onnx_embedder, runtime, tokenizer
from hef_training.config import ModelConfig
from hef_training.data import pad, training_repositories
from hef_training.embedder import END, Embedder
from hef_training.export import arrays
from hef_training.fuser_train import trained_embedder
from hef_training.hef_data import Drawing
from hef_training.layout import Layout
from hef_training.pairs import repositories, training_names
from hef_training.tokens import tokenise


@pytest.mark.parametrize("kv_heads", (1, 2))
def test_the_short_cut_of_one_layer_is_the_whole_model(kv_heads: int) -> None:
    torch.manual_seed(0)
    model = Embedder(ModelConfig(layers=1, hidden=64, heads=2, kv_heads=kv_heads, head_dim=32, ff=96), 300)
    rows = [[10, 20, 30, 40], [7] * 30, [9, 8, 7, 66, 77, 88, 99], [11]]
    for kind, end in enumerate(END):
        ended = [[*row, end] for row in rows]
        whole = model(pad(ended, 0), torch.tensor([len(row) for row in ended]))
        assert torch.allclose(model.embed(rows, kind), whole, atol=1e-6)


def test_the_exported_tables_are_the_whole_model() -> None:
    torch.manual_seed(0)
    model = Embedder(ModelConfig(layers=1, hidden=64, heads=2, kv_heads=2, head_dim=32, ff=96), 300)
    rows = [[10, 20, 30, 40, END[0]], [*[7] * 30, END[1]], [9, 8, 7, 66, END[1]]]
    lengths = np.array([len(row) for row in rows])
    graph = onnx_embedder.one_layer(arrays(model.model), model.model.config, 65)
    served = runtime.session(graph.SerializeToString()).run(None, {"input_ids": pad(rows, 0).numpy(), "lengths": lengths.astype(np.int32)})[0]
    with torch.no_grad():
        assert np.abs(served - model(pad(rows, 0), torch.from_numpy(lengths)).numpy()).max() < 1e-3  # fp16 tables


def test_a_query_weighs_its_end_and_a_chunk_does_not() -> None:
    model = Embedder(ModelConfig(layers=1, hidden=64, heads=2, kv_heads=2, head_dim=32, ff=96), 300)
    model.start_as_bag(torch.zeros(300))
    near, far = [50] * 200 + [60] * 20, [60] * 20 + [50] * 200
    lone = model.embed([[60]], 0)[0]
    with torch.no_grad():
        (q_near, q_far), (p_near, p_far) = model.embed([near, far], 1), model.embed([near, far], 0)
    assert q_near @ lone > q_far @ lone + 0.1
    assert abs((p_near - p_far) @ lone) < 0.02


def sources() -> list[fuser_train.Source]:
    """Repositories of four directories each, whose chunks share a direction of all, one of the directory, and noise."""
    made = []
    for seed in range(6):
        noise = torch.Generator().manual_seed(seed)
        everywhere = torch.nn.functional.one_hot(torch.tensor(0), 48).float()
        rows = [list(range(at, at + 10)) for at in range(0, 40, 10)]
        own = torch.randn(4, 48, generator=noise).repeat_interleave(10, 0) + torch.randn(40, 48, generator=noise)
        vectors = torch.nn.functional.normalize(8 * everywhere + own, dim=-1)
        queries = torch.nn.functional.normalize(vectors + 0.05 * torch.randn(40, 48, generator=noise), dim=-1)
        made.append(fuser_train.Source(vectors, rows, queries, list(range(40))))
    return made


def test_containers_that_win_every_search_or_none_are_worse_than_the_mean_of_the_children() -> None:
    mean = lambda children, counts: torch.nn.functional.normalize(children.sum(1), dim=-1)  # noqa: E731
    everywhere = torch.nn.functional.one_hot(torch.tensor(0), 48).float()
    always = lambda children, counts: everywhere.expand(len(children), -1)  # noqa: E731
    never = lambda children, counts: -mean(children, counts)  # noqa: E731
    loss = lambda model: fuser_train.batch(model, random.Random(2), sources(), 24, 0.07)[0].item()  # noqa: E731
    assert loss(mean) + 0.5 < loss(always)
    assert loss(mean) + 0.5 < loss(never)


def test_composition_counts_the_levels_of_the_nearest_nodes(trained) -> None:
    recipe, places, _ = trained
    layout = Layout(recipe.layout, tokenizer.load(places))
    model = hef.fuser_of(places, recipe)
    held = hef.contrasts(hef.repos_of(repositories(places, training_names(places)), places, recipe, layout, model), places, recipe, layout, 20)
    shares = fuser_train.composition(model, held)
    assert 0 <= shares["directories"] <= shares["inner"] < 1
    nowhere = lambda children, counts: torch.zeros(len(children), children.shape[2])  # noqa: E731
    assert fuser_train.composition(nowhere, held, 8) == {"inner": 0.0, "directories": 0.0}


@pytest.fixture(scope="module")
def drawing(trained) -> Drawing:
    recipe, places, _ = trained
    layout = Layout(recipe.layout, tokenizer.load(places))
    repos = hef.repos_of(repositories(places, training_names(places)), places, recipe, layout, hef.fuser_of(places, recipe))
    return Drawing(repos, layout, trained_embedder(places, recipe), dataclasses.replace(recipe.hef, oracle=1.0), 1)


def test_token_slices_are_those_of_the_text(trained) -> None:
    recipe, places, _ = trained
    layout = Layout(recipe.layout, tokenizer.load(places))
    chunks = repositories(places, training_names(places))[0]
    made, again = tokenise(chunks, layout, places.work / "tokens"), tokenise(chunks, layout, places.work / "tokens")
    assert np.array_equal(made.ids, again.ids)
    for f in (0, len(chunks.files) - 1):
        text = chunks.files[f].text
        assert layout.tokenizer.decode(made.slice(f, 0, len(text)).tolist()) == text
        line = text.find("\n", 60)  # a newline begins a token
        assert layout.tokenizer.decode(made.slice(f, line, len(text)).tolist()) == text[line:]
        assert layout.tokenizer.decode(made.before(f, line, 5).tolist()) == layout.tokenizer.decode(layout.encode(text[:line])[-5:])


def test_examples_have_a_full_set_of_nodes_without_what_the_prompt_shows(drawing: Drawing) -> None:
    for _ in range(40):
        example = drawing.next()
        table = drawing.repos[example.repo].table
        assert len(set(example.nodes.tolist())) == len(example.nodes) == drawing.layout.config.pseudo
        written = drawing.layout.tokenizer.decode(example.prompt.body[example.middle :]).strip()
        own = [file for file in drawing.repos[example.repo].chunks.files if written and written in file.text]
        if len(own) == 1 and len(written) > 25:  # the place is known: no node of that file holds the middle
            f = drawing.repos[example.repo].chunks.files.index(own[0])
            at = own[0].text.index(written)
            inside = [i for i in example.nodes if table.file[i] == f]
            assert not any(table.start[i] <= at < table.end[i] for i in inside)


def test_a_rebuilt_chunk_has_its_own_node_among_the_others(drawing: Drawing) -> None:
    found = [e for e in (drawing.rebuilding(4) for _ in range(60)) if e]
    assert found
    for example in found:
        table = drawing.repos[example.repo].table
        text = drawing.layout.tokenizer.decode(example.prompt.body[1:])
        files = drawing.repos[example.repo].chunks.files
        shown = [files[table.file[i]].text[table.start[i] : table.end[i]] for i in example.nodes if table.level[i] == "chunk"]
        assert any(chunk.lstrip(" ").startswith(text) for chunk in shown)  # indentation belongs to the token of the newline before


def test_small_directories_over_the_open_file_are_left_out(drawing: Drawing) -> None:
    repo = drawing.repos[0]
    own = random.Random(0).randrange(len(repo.chunks.files))
    may = nodes.allowed(repo.table, own, repo.chunks.files[own].path, 0, 10**9)
    assert not may[repo.table.file == own].any()
    root = [i for i, (level, path) in enumerate(zip(repo.table.level, repo.table.path)) if level == "repository" and path == ""]
    assert may[root].all() == (repo.table.chunks[root[0]] >= nodes.MIN_DIRECTORY_CHUNKS)


def test_some_steps_take_the_nodes_from_lines_that_keep_everything_else(trained, drawing: Drawing) -> None:
    recipe, places, _ = trained
    plain = lm.Examples(training_repositories(places), drawing.layout, recipe.lm, 1)
    for bare in (0.0, 1.0):
        config = dataclasses.replace(recipe.hef, bare=bare, rebuild=0.0, no_nodes=0.3)
        mixture = hef.Mixture(config, drawing, plain, drawing.layout.config.pseudo, 3)
        batches = [batch for _ in range(3) for batch in mixture.step()[0]]
        assert batches and {len(example.nodes) == 0 for batch in batches for example in batch} == {bare == 1.0}
        model = hef.HefModel(recipe)
        ids, _, _ = hef.tensors(batches[0], 0.3)
        assert model.hidden(hef.stacked(batches[0], drawing.repos), ids).shape[:2] == ids.shape


def test_evaluation_tells_what_nodes_say_of_a_line_from_where_it_ends(trained, drawing: Drawing, capsys) -> None:
    recipe, places, _ = trained
    model = hef.HefModel(recipe).eval()
    examples = evaluate.lines(drawing, drawing.repos, 100, True, 12)
    assert len(examples) == 12
    text, end = evaluate.costs(model, None, examples, tokenizer.EOT)
    ids, targets, weights = hef.tensors(examples, 0.0)
    whole, _ = generator.loss(model.generator, model.hidden(None, ids), targets, weights)
    assert (text.sum() + end.sum()).item() == pytest.approx(whole.item(), rel=2e-2)  # bf16 against fp32
    assert (end > 0).all()  # all end with their line
    with torch.no_grad():
        model.projector.forward = lambda vectors: torch.zeros(*vectors.shape[:2], recipe.generator.hidden)
    same = evaluate.gains(model, drawing.repos, examples, tokenizer.EOT)
    assert same["nodes, text"] == same["nodes of another repository, text"]  # nodes that say nothing are worth the same


def test_the_step_evaluate_prints_one_document(trained, capsys) -> None:
    recipe, places, _ = trained
    evaluate.run(recipe, places, 6)
    out = capsys.readouterr().out
    printed = json.loads(out[out.index("{\n") :])
    assert printed["chunk behind one node"]["own"] > 0
    lines = printed["short prefix, with suffix"]
    assert lines["lines"] == 6 and lines["nodes, end"][1] >= 0
    assert printed["short prefix, no suffix"]["nodes, end"] == [0, 0]  # nothing ends there
