"""The clinic's networks: anew each time, each with its fault and no other, and a healthy one beside it."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from fpcourse import layer_statistics
from fpcourse.training import metrics, risk_of
from fpcourse.training.clinic import Case, case, harm


def auroc(model: nn.Module, found: Case) -> float:
    return metrics(risk_of(model, found.validation.X).reshape(-1, 1), found.validation.y).auroc


def state(model: nn.Module) -> list[torch.Tensor]:
    return list(model.state_dict().values())


@pytest.mark.parametrize("number", range(1, 8))
@pytest.mark.parametrize("seed", [0, 1, 6])
def test_a_case_is_the_same_each_time_and_anew(number, seed):
    first = case(number, seed)
    with torch.no_grad():
        for parameter in first.model.parameters():
            parameter.zero_()
    again, third = case(number, seed), case(number, seed)
    assert all(map(torch.equal, state(again.model), state(third.model)))
    assert any(parameter.any() for parameter in again.model.parameters())
    assert torch.equal(again.validation.X, third.validation.X) and again.answer == third.answer


@pytest.mark.parametrize("number", range(1, 8))
def test_it_leaves_the_random_state_and_the_threads(number):
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    case(number, 3)
    assert torch.equal(before, torch.get_rng_state()) and torch.get_num_threads() == threads


@pytest.mark.exhaustive
@pytest.mark.parametrize("grad_mode", ["no_grad", "inference_mode"])
def test_it_trains_under_a_readers_no_grad_too(grad_mode):
    code = f"import torch; from fpcourse import case\nwith torch.{grad_mode}(): [case(n) for n in (1, 3, 4)]"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("number", range(1, 7))
def test_the_healthy_network_has_learned_what_is_in_the_data(number):
    found = case(number)
    assert 0.70 < auroc(found.healthy, found) < metrics(found.validation.risk, found.validation.y).auroc
    assert not any(module.training for module in found.healthy.modules())
    assert abs(risk_of(found.healthy, found.validation.X).mean() - found.validation.y.mean()) < 0.03


def test_case_1_differs_from_the_healthy_one_in_flags_alone():
    for seed in (0, 5, 6, 7, 8, 9):
        found = case(1, seed)
        assert all(map(torch.equal, state(found.model), state(found.healthy)))
        assert torch.equal(risk_of(found.model, found.validation.X), risk_of(found.healthy, found.validation.X))
    found = case(1)
    with torch.no_grad():
        one, two = found.model(found.validation.X), found.model(found.validation.X)
    assert not found.model.training and not torch.equal(one, two)


def test_case_2_ends_in_a_sigmoid_or_not():
    for seed in (0, 1, 2, 3):
        found = case(2, seed)
        with torch.no_grad():
            out, logits = found.model(found.validation.X), found.healthy(found.validation.X)
        torch.testing.assert_close(out, torch.sigmoid(logits) if seed % 2 == 0 else logits)
    with torch.no_grad():
        logits = case(2, 1).model(case(2, 1).validation.X)
    assert logits.min() > 0 and logits.max() < 1


def test_case_3_learned_the_share_and_nothing_else():
    found = case(3)
    risk, y = torch.sigmoid(found.model(found.validation.X)), found.validation.y
    assert risk.shape == (2000,) and y.shape == (2000, 1)
    assert 0.4 < auroc(found.model, found) < 0.6 and risk.std() < 0.03 and abs(risk.mean() - y.mean()) < 0.04
    assert found.losses[0] > 0.4 and abs(found.losses[-1] - 0.362) < 0.005


def test_case_4_is_dead_where_it_says_and_does_not_learn_before_it():
    found = case(4)
    rows = {row.label: row for row in layer_statistics(found.model, found.validation.X)}
    assert [row.dead_units == row.units for row in rows.values() if row.label.startswith("relu")][:3] == [0, 0, 1]
    assert found.answer == "relu3" and auroc(found.model, found) == 0.5
    torch.manual_seed(10)
    assert torch.equal(found.model.layer1.weight, nn.Linear(20, 32).weight)


@pytest.mark.parametrize("variant", range(4))
def test_case_4_comes_in_four_ways(variant):
    for seed in range(4 + variant, 60, 4):
        found = case(4, seed)
        X = found.validation.X
        rows = [row for row in layer_statistics(found.model, X) if row.label.startswith("relu")]
        whole = [row.label for row in rows if row.dead_units == row.units]
        assert (whole or [None])[0] == found.answer
        assert (found.answer is None) == (variant in (1, 3))
        if variant == 1:
            early = layer_statistics(found.model, X[:16], ["relu1"])[0]
            assert early.dead_units == 32 and rows[0].dead_units == 0
        if variant == 2:
            assert rows[0].dead_units == 31 and len(whole) == len({"relu2", rows[-1].label})


def test_case_5_has_other_statistics_and_the_same_weights():
    for seed in (0, 4):
        found = case(5, seed)
        assert all(map(torch.equal, found.model.parameters(), found.healthy.parameters()))
        gap = (found.model.bn1.running_mean - found.healthy.bn1.running_mean) / found.healthy.bn1.running_var.sqrt()
        assert gap.abs().max() > 0.8
    found = case(5)
    mean, right = (risk_of(model, found.validation.X).mean() for model in (found.model, found.healthy))
    assert mean < 0.6 * right and abs(auroc(found.model, found) - auroc(found.healthy, found)) < 0.02


def test_case_6_computes_what_the_healthy_one_does_and_overwrites():
    for seed in (0, 2):  # the others double a tensor on the way
        found = case(6, seed)
        assert torch.equal(risk_of(found.model, found.validation.X), risk_of(found.healthy, found.validation.X))
    found, kept = case(6), []
    found.model.bn1.register_forward_hook(lambda module, inputs, output: kept.append(output))
    found.model(found.validation.X)
    assert (kept[0] >= 0).all()


def test_case_7_has_the_same_patients_with_columns_in_another_order():
    for seed in (0, 5):
        found, plain = case(7, seed), case(1, seed).validation
        arrived = found.validation
        assert sorted(arrived.features) == sorted(found.model.features) and arrived.features != found.model.features
        for i, name in enumerate(found.model.features):
            at = arrived.features.index(name)
            assert torch.equal(arrived.X[:, at], plain.X[:, i]) and torch.equal(arrived.raw[:, at], plain.raw[:, i])
        assert torch.equal(arrived.y, plain.y)
    assert auroc(case(7).model, case(7)) < 0.6


def test_the_names_of_a_network_do_not_say_what_ails_it():
    for number in range(1, 8):
        for word in ("sigmoid", "dead", "broadcast", "inplace", "shift"):
            assert word not in (repr(case(number)) + type(case(number).model).__name__).lower()
    assert repr(case(3)) == "Case(3: 4,000 patients for training, 2,000 others)"


@pytest.mark.parametrize("number", [0, 8, -1, 1.0, True, "1", None])
def test_there_are_seven(number):
    with pytest.raises(ValueError, match=r"there is no case .*numbered 1 to 7"):
        case(number)


@pytest.mark.parametrize("seed", [-1, 0.5, True, None, 2**31])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(ValueError, match=r"seed must be a whole number from 0 to 2\*\*31 - 1; got"):
        case(1, seed)


def test_patients_in_another_order_are_described_by_their_own_names():
    today, yesterday = case(7).validation, case(1).validation
    rows = {row[0]: row[1:] for row in today.table().rows}
    assert rows == {row[0]: row[1:] for row in yesterday.table().rows} and list(rows) == list(today.features)
    assert {row[0]: row[1:] for row in today.patient(0).rows} == {row[0]: row[1:] for row in yesterday.patient(0).rows}


def test_harm_has_a_row_for_each_of_the_risks():
    y = torch.tensor([[1.0], [0.0], [0.0], [0.0]])
    risk = torch.tensor([[0.5], [0.25], [0.25], [0.75]])
    table = harm({"half": torch.full((4, 1), 0.5), "another": risk}, y)
    assert table.headers == ("risks", "AUROC", "log loss", "mean risk")
    # By hand: ln 2 for all; (ln 2 + 2 ln 4/3 + ln 4) / 4, and 2 of 3 pairs the right way round.
    assert table.rows == (("half", "0.50", "0.69", "0.50"), ("another", "0.67", "0.66", "0.44"))
    assert harm({"another": risk}, y, auroc_digits=1).rows[0][1] == "0.7"


def test_train_mode_does_not_hide_in_a_case():
    for number in range(2, 8):
        assert not any(module.training for module in case(number).model.modules()), number
