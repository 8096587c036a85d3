"""loop: training learns, stops, is repeatable and leaves no trace."""

import itertools
import math

import pytest
import torch
from sklearn.metrics import roc_auc_score
from sklearn.tree import DecisionTreeClassifier
from torch.nn import functional as F

from fpcourse.cohort import patients
from fpcourse.models import ClinicalMLP
from fpcourse.training import logistic_regression, metrics, one_thread, risk_of, train


@pytest.fixture(scope="module")
def run(parts):
    return train(*parts[:2])


def auroc(risk, y) -> float:
    return roc_auc_score(y.flatten(), risk.flatten())


def test_the_network_beats_the_baseline_and_stays_below_the_true_risk(run, parts):
    training, _, held_out = parts
    found = [
        auroc(risk, held_out.y)
        for risk in (logistic_regression(training, held_out.X), risk_of(run.model, held_out.X), held_out.risk)
    ]
    baseline, network, ceiling = found
    assert 0.70 < baseline < network - 0.01 < ceiling - 0.01
    assert auroc(risk_of(run.at(0), held_out.X), held_out.y) < 0.6


@pytest.mark.exhaustive
def test_no_feature_alone_and_no_tree_on_two_comes_near_the_network(run, parts):
    training, _, held_out = parts
    network = auroc(risk_of(run.model, held_out.X), held_out.y)
    y, truth = training.y.flatten().numpy(), held_out.y.flatten().numpy()
    single = max(max(a, 1 - a) for column in held_out.X.T if (a := roc_auc_score(truth, column.numpy())))
    pairs = []
    for pair in map(list, itertools.combinations(range(20), 2)):
        tree = DecisionTreeClassifier(max_depth=3, random_state=0).fit(training.X[:, pair].numpy(), y)
        pairs.append(roc_auc_score(truth, tree.predict_proba(held_out.X[:, pair].numpy())[:, 1]))
    assert single < network - 0.05 and max(pairs) < network - 0.03


def test_risks_are_calibrated(run, parts):
    held_out = parts[2]
    for predicted, share in metrics(risk_of(run.model, held_out.X), held_out.y).calibration:
        assert abs(predicted - share) < 0.08
    assert abs(risk_of(run.model, held_out.X).mean() - held_out.y.mean()) < 0.03


def test_training_stops_at_the_smallest_validation_loss_and_hands_back_that_epoch(run, parts):
    losses = [epoch.validation_loss for epoch in run.epochs]
    assert run.best == losses.index(min(losses)) and 0 < run.best < len(losses) - 1
    assert len(losses) - 1 - run.best == 6 and [epoch.number for epoch in run.epochs] == list(range(len(losses)))
    for model in (run.model, run.at(run.best)):
        with torch.no_grad():
            logits = model(parts[1].X)
        assert F.binary_cross_entropy_with_logits(logits, parts[1].y).item() == pytest.approx(min(losses))
        assert not any(module.training for module in model.modules())


def test_each_checkpoint_is_of_its_epoch(run, parts):
    for epoch in run.epochs[::5]:
        logits = torch.logit(risk_of(run.at(epoch.number), parts[1].X))
        loss = F.binary_cross_entropy_with_logits(logits, parts[1].y).item()
        assert loss == pytest.approx(epoch.validation_loss, abs=1e-5)
    with pytest.raises(IndexError, match="the run has epochs 0 to"):
        run.at(len(run.epochs))


def test_a_run_is_repeatable_and_leaves_the_random_state_and_the_data(small):
    before, data = torch.get_rng_state(), [part.X.clone() for part in small]
    torch.rand(3)
    first = train(*small, epochs=3)
    torch.set_rng_state(before)
    again, other = train(*small, epochs=3), train(*small, epochs=3, seed=1)
    assert torch.equal(before, torch.get_rng_state())
    assert all(map(torch.equal, first.model.state_dict().values(), again.model.state_dict().values()))
    assert not torch.equal(first.model.layer1.weight, other.model.layer1.weight)
    assert all(map(torch.equal, data, (part.X for part in small)))


def test_the_number_of_threads_changes_nothing_and_stays(small):
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(train(*small, epochs=2).model.state_dict())
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert all(map(torch.equal, found[0].values(), found[1].values()))


def test_one_thread_gives_the_threads_back_after_an_error():
    before = torch.get_num_threads()
    with pytest.raises(KeyError), one_thread():
        assert torch.get_num_threads() == 1
        raise KeyError
    assert torch.get_num_threads() == before


def test_the_untrained_model_is_the_one_that_the_seed_gives(small):
    torch.manual_seed(7)
    expected = ClinicalMLP(hidden=(8, 4), p=0.1)
    found = train(*small, hidden=(8, 4), p=0.1, epochs=1, seed=7).at(0)
    assert all(map(torch.equal, expected.state_dict().values(), found.state_dict().values())) and found.drop.p == 0.1


def test_a_last_batch_of_one_is_left_out(small):
    training = patients(257, seed=2)
    assert len(train(training, small[1], batch_size=256, epochs=1).epochs) == 2


def test_a_table_has_a_row_an_epoch(small):
    found = train(*small, epochs=2)
    assert repr(found).startswith("TrainingRun(2 epochs, best ")
    assert [row[0] for row in found.table().rows] == ["0", "1", "2"]
    assert found.table().rows[1][2] == f"{found.epochs[1].validation_loss:.4f}"


@pytest.mark.parametrize("name", ["learning_rate", "batch_size", "epochs", "patience"])
@pytest.mark.parametrize("value", [0, -1, math.inf, math.nan])
def test_numbers_must_be_positive_and_finite(small, name, value):
    with pytest.raises(ValueError, match=f"{name} must be positive and finite; got {value}"):
        train(*small, **{name: value})


def test_batches_of_one_are_refused(small):
    with pytest.raises(ValueError, match="batch_size must be 2 or more"):
        train(*small, batch_size=1)


@pytest.mark.parametrize("grad_mode", [torch.no_grad, torch.inference_mode])
def test_it_trains_where_the_reader_records_nothing(small, grad_mode):
    with grad_mode():
        found = train(*small, epochs=1)
        assert not torch.is_grad_enabled()
    recorded = train(*small, epochs=1)
    assert all(map(torch.equal, found.model.state_dict().values(), recorded.model.state_dict().values()))


@pytest.mark.parametrize("epoch", [True, 1.0, -1, "1"])
def test_an_epoch_is_a_whole_number(small, epoch):
    with pytest.raises(IndexError, match="no epoch"):
        train(*small, epochs=1).at(epoch)


def test_one_class_alone_is_refused(small):
    one = patients(1)
    for cohorts in ((one, small[1]), (small[0], one)):
        with pytest.raises(ValueError, match="of one class; it needs readmitted ones and others"):
            train(*cohorts)
