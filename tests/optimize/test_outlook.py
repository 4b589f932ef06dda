"""Laws of runs on their way: what is expected of their ends, which are ended, and what those that were ended teach."""

import itertools
import math
import time

import numpy as np
import pytest

from metta_sweep import Protein
from metta_sweep.errors import RequestError
from metta_sweep.optimize.protein import known_curves
from metta_sweep.optimize.protein.kernel import Geometry
from metta_sweep.optimize.protein.likelihood import Priors
from metta_sweep.optimize.protein.model import MetricModel

PARAMETERS = {
    "lr": {"distribution": "log_normal", "min": 1e-5, "max": 1e-1},
    "gamma": {"distribution": "uniform", "min": 0.8, "max": 1.0},
}
SHARES = [k / 10 for k in range(1, 11)]


def final_of(params):
    return 1.0 - 0.3 * (math.log10(params["lr"]) + 3.0) ** 2 - 20.0 * (params["gamma"] - 0.95) ** 2


def steady(params, share):
    """The metric grows evenly, so that a tenth of the way tells the end."""
    return share * final_of(params)


def late(params, share):
    """Nothing happens until 60%, then the metric is where it will be."""
    return final_of(params) if share > 0.6 else -1.0


def falling(params, share):
    """The metric starts high and falls to its end: the better the end, the less."""
    return final_of(params) + 2.0 * (1.0 - share)


def curve_of(params, shape=steady, upto=1.0, seed=0):
    rng = np.random.default_rng([seed, round(1e6 * params["gamma"])])
    wobble = 0.02 * rng.standard_normal(len(SHARES))
    return [(s, shape(params, s) + w, 10 * s) for s, w in zip(SHARES, wobble, strict=True) if s <= upto + 1e-9]


def points(count, seed=0):
    rng = np.random.default_rng(seed)
    return [{"lr": float(10 ** rng.uniform(-5, -1)), "gamma": float(rng.uniform(0.8, 1.0))} for _ in range(count)]


def lessons(shape=steady, count=12, sign=1.0):
    """Every third run was ended at 30%."""
    for at, params in enumerate(points(count)):
        curve = [(share, sign * metric, cost) for share, metric, cost in curve_of(params, shape)]
        if at % 3 == 2:
            yield "observe_partial", {"params": params, "curve": curve[:3]}
        else:
            yield "observe", {"params": params, "score": curve[-1][1], "cost": 10.0, "curve": curve}


def test_what_a_run_takes_to_start_is_no_part_of_its_pace():
    """Runs take 90 s to start and 10 s to train: one that was ended at 30% was about to take 100 s, and not 310."""
    told = [
        (verb, lesson | {"curve": [(share, metric, 90.0 + cost) for share, metric, cost in lesson["curve"]]})
        for verb, lesson in lessons(count=15)
    ]
    for _, lesson in told:
        lesson |= {"cost": 100.0} if "cost" in lesson else {}
    assert learned(told).suggest().predicted.cost == pytest.approx(100.0, rel=0.01)


def learned(told, **more):
    protein = Protein(PARAMETERS, seed=1, **more)
    for verb, lesson in told:
        getattr(protein, verb)(**lesson)
    return protein


@pytest.fixture(scope="module")
def knowing():
    return learned(lessons())


GOOD, BAD = {"lr": 1e-3, "gamma": 0.95}, {"lr": 1e-5, "gamma": 0.8}


def test_a_run_that_falls_short_of_what_was_hoped_is_ended_and_one_that_keeps_its_promise_goes_on(knowing):
    assert knowing.outlook(GOOD, curve=curve_of(GOOD, upto=0.3)).action == "continue"
    short = [(share, metric - 1.0, cost) for share, metric, cost in curve_of(GOOD, upto=0.3)]
    assert knowing.outlook(GOOD, curve=short).action == "stop"


def test_the_final_metric_is_expected_where_the_curve_leads(knowing):
    for params in points(6, seed=5):
        told = knowing.outlook(params, curve=curve_of(params, upto=0.5))
        value, low, high = told.final
        assert low < value < high
        assert low - 0.15 <= final_of(params) <= high + 0.15


def test_chance_falls_with_the_curve(knowing):
    chances = [knowing.outlook(GOOD, curve=[(0.2, metric, 2.0)]).chance for metric in (0.4, 0.2, 0.1, 0.0, -0.4)]
    assert chances == sorted(chances, reverse=True)
    assert all(0.0 <= chance <= 1.0 for chance in chances)


def test_an_outlook_changes_nothing_and_is_the_same_again():
    protein = learned(lessons())
    before = protein.suggest()
    told = protein.outlook(GOOD, curve=curve_of(GOOD, upto=0.2), pending=[BAD])
    assert protein.outlook(GOOD, curve=curve_of(GOOD, upto=0.2)) == told
    assert protein.suggest() == before


def test_order_of_reports_changes_neither_outlook_nor_suggestion():
    told = list(lessons())
    one, other = learned(told), learned(reversed(told))
    curve = curve_of(GOOD, upto=0.3)
    assert one.outlook(GOOD, curve=curve) == other.outlook(GOOD, curve=curve)
    assert one.suggest() == other.suggest()


@pytest.mark.parametrize(("scale", "shift"), [(1000.0, 0.0), (1.0, -50.0), (1e-3, 7.0)])
def test_units_of_the_metric_change_no_action(knowing, scale, shift):
    told = [(verb, {**lesson, **_moved(lesson, scale, shift)}) for verb, lesson in lessons()]
    moved = learned(told)
    for params, down in itertools.product((GOOD, BAD), (0.0, 0.5)):
        curve = [(share, metric - down, cost) for share, metric, cost in curve_of(params, upto=0.3)]
        other = [(share, scale * metric + shift, cost) for share, metric, cost in curve]
        assert moved.outlook(params, curve=other).action == knowing.outlook(params, curve=curve).action


def _moved(lesson, scale, shift):
    curve = [(share, scale * metric + shift, cost) for share, metric, cost in lesson["curve"]]
    return {"curve": curve, **({"score": scale * lesson["score"] + shift} if "score" in lesson else {})}


def test_a_loss_is_judged_as_its_negative_is(knowing):
    loss = learned(lessons(sign=-1.0), goal="minimize")
    for down in (0.0, 1.0):
        curve = [(share, metric - down, cost) for share, metric, cost in curve_of(GOOD, upto=0.3)]
        one = knowing.outlook(GOOD, curve=curve)
        other = loss.outlook(GOOD, curve=[(share, -metric, cost) for share, metric, cost in curve])
        assert one.action == other.action
        assert other.final == pytest.approx((-one.final[0], -one.final[2], -one.final[1]))


def test_where_nothing_shows_before_a_late_jump_the_good_runs_go_on():
    protein = learned((verb, lesson) for verb, lesson in lessons(late) if verb == "observe")
    for upto in (0.1, 0.3, 0.6):
        assert protein.outlook(GOOD, curve=curve_of(GOOD, late, upto)).action == "continue"


def test_metrics_that_fall_along_training_are_judged_by_their_ends():
    protein = learned(lessons(falling))
    assert protein.outlook(GOOD, curve=curve_of(GOOD, falling, 0.3)).action == "continue"
    low, high = protein.outlook(GOOD, curve=curve_of(GOOD, falling, 0.3)).final[1:]
    assert high < 2.0
    assert low > 0.0


def test_a_run_that_was_ended_is_neither_a_score_nor_a_failure():
    told = [(verb, lesson) for verb, lesson in lessons() if verb == "observe"]
    protein = learned(told)
    protein.observe_partial({"lr": 1e-5, "gamma": 0.81}, curve=[(0.1, 40.0, 1.0)])  # a lucky start
    history = protein._history()
    assert history.rollouts == len(told)
    assert len(history.failures) == 0
    assert history.count == len(told) + 1
    assert history.money == pytest.approx(len(told) + 0.1)
    assert protein.suggest().predicted.success == 1.0
    assert protein.expect([GOOD])[0].mean < 2.0


def noisy(seed, spread=0.5):
    """Return lessons whose final scores are half luck, which their curves do not share."""
    rng = np.random.default_rng(seed)
    for at, params in enumerate(points(24, seed)):
        wobble = spread * rng.standard_normal(len(SHARES))
        curve = [(s, final_of(params) + w, 10 * s) for s, w in zip(SHARES, wobble, strict=True)]
        if at % 3 == 2:
            yield "observe_partial", {"params": params, "curve": curve[:3]}
        else:
            yield "observe", {"params": params, "score": curve[-1][1], "cost": 10.0, "curve": curve}


def test_finished_runs_are_told_apart_by_their_curves_and_not_by_their_luck_alone():
    errors = {"with curves": 0.0, "without": 0.0}
    for seed in range(3):
        seen = [lesson for verb, lesson in noisy(seed) if verb == "observe"]
        told = {"with curves": seen, "without": [{**lesson, "curve": ()} for lesson in seen]}
        for name, each in told.items():
            protein = learned([("observe", lesson) for lesson in each])
            means = [expected.mean for expected in protein.expect([lesson["params"] for lesson in seen])]
            errors[name] += sum(
                (mean - final_of(lesson["params"])) ** 2 for mean, lesson in zip(means, seen, strict=True)
            )
    assert errors["with curves"] < 0.5 * errors["without"]


@pytest.mark.slow
def test_a_run_reports_what_was_expected_of_it_though_the_luck_of_others_was_taken_out():
    inside = []
    for seed in range(6):
        suggestion = learned(noisy(seed)).suggest()
        reports = final_of(suggestion.params) + 0.5 * np.random.default_rng(seed).standard_normal(20)
        told = suggestion.predicted
        inside += [told.score_low <= report <= told.score_high for report in reports]
    assert 0.75 < np.mean(inside) < 0.99


def test_where_a_metric_ends_is_shown_by_reports_and_not_by_what_is_taught_of_them():
    told = list(noisy(seed=3))
    zero = min(lesson["curve"][-1][1] for verb, lesson in told if verb == "observe")
    protein = learned(
        (verb, {**lesson, "score": max(lesson["score"], zero + 1.0)} if verb == "observe" else lesson)
        for verb, lesson in told
    )
    history = protein._history()
    assert (history.scores[: history.rollouts] != zero + 1.0).any()
    assert history.shown.floor == zero + 1.0


def test_scores_that_are_known_from_several_seeds_are_taught_as_they_are():
    protein = learned(noisy(seed=2))
    params = {"lr": 2e-4, "gamma": 0.9}
    protein.observe(params, score=9.0, noise=0.01, cost=10.0, curve=curve_of(params))
    assert 9.0 in protein._history().scores


def test_a_point_that_was_ended_is_not_suggested_again():
    parameters = {"n": {"distribution": "int_uniform", "min": 1, "max": 6}}
    protein, seen = Protein(parameters, seed=0), []
    for _ in range(6):
        params = dict(protein.suggest().params)
        seen.append(params["n"])
        if params["n"] % 2:
            protein.observe_partial(params, curve=[(0.5, 0.1 * params["n"], 1.0)])
        else:
            protein.observe(params, score=float(params["n"]), cost=1.0)
    assert sorted(seen) == [1, 2, 3, 4, 5, 6]


def test_a_sweep_of_which_every_run_was_ended_goes_on():
    protein = Protein(PARAMETERS, seed=0)
    for _ in range(6):
        params = protein.suggest().params
        protein.observe_partial(params, curve=curve_of(params, upto=0.2))
    assert protein.suggest().origin == "sobol"


@pytest.mark.parametrize(
    ("curve", "reason"),
    [
        ([], "reported nothing"),
        ([(0.2, math.nan, 1.0)], "reported nothing"),
        ([(0.05, 0.1, 1.0)], "not judged before 10%"),
        ([(0.5, 0.1, 1.0), (1.0, 0.2, 2.0)], "at its end"),
    ],
)
def test_what_cannot_be_judged_goes_on_and_says_why(knowing, curve, reason):
    told = knowing.outlook(BAD, curve=curve)
    assert told.action == "continue"
    assert reason in told.reason


def test_nothing_is_judged_before_enough_runs_are_known_to_their_end():
    protein = learned(list(lessons())[:4])
    told = protein.outlook(BAD, curve=curve_of(BAD, upto=0.3))
    assert (told.action, told.chance) == ("continue", 1.0)
    assert "4 runs" in told.reason
    assert protein.outlook(BAD, curve=curve_of(BAD, upto=0.3), min_full_runs=2).chance < 1.0


def test_runs_that_never_reported_on_their_way_teach_no_judgement():
    protein = Protein(PARAMETERS)
    for params in points(6):
        protein.observe(params, score=final_of(params), cost=1.0)
    assert protein.outlook(BAD, curve=[(0.3, -5.0, 1.0)]).action == "continue"


def test_reports_that_are_not_finite_and_those_before_a_resume_do_no_harm(knowing):
    curve = curve_of(GOOD, upto=0.3)
    torn = [curve[0], (0.2, -9.0, 1.5), (0.25, math.nan, 2.0), *curve[1:]]
    assert knowing.outlook(GOOD, curve=torn) == knowing.outlook(GOOD, curve=curve)
    infinite = [*curve[:2], (0.25, math.inf, math.nan), curve[2]]
    assert knowing.outlook(GOOD, curve=infinite) == knowing.outlook(GOOD, curve=curve)


@pytest.mark.slow
@pytest.mark.parametrize("point", [(0.0, 1.0, 1.0), (1.2, 1.0, 1.0), (-0.1, 1.0, 1.0), (0.5, "high", 1.0), (0.5, 1.0)])
def test_a_report_that_is_none_is_refused_and_nothing_is_learned(point):
    protein = learned(lessons(count=5))
    before = protein.suggest()
    for call in (protein.outlook, protein.observe_partial):
        with pytest.raises(RequestError, match=r"curve\[0\]"):
            call(GOOD, curve=[point])
    with pytest.raises(RequestError, match=r"curve\[0\]"):
        protein.observe(GOOD, score=1.0, cost=1.0, curve=[point])
    assert protein.suggest() == before


def test_lengths_that_differ_between_points_are_judged_by_share():
    parameters = {**PARAMETERS, "trainer.total_timesteps": {"distribution": "log_normal", "min": 1000, "max": 9000}}
    protein = Protein(parameters, seed=0)
    for at, params in enumerate(points(9)):
        params = {**params, "trainer.total_timesteps": 1000.0 + 900.0 * at}
        protein.observe(params, score=final_of(params), cost=10.0, curve=curve_of(params))
    params = {**GOOD, "trainer.total_timesteps": 4000.0}
    assert protein.outlook(params, curve=curve_of(params, upto=0.3)).action == "continue"
    protein.observe_partial({**BAD, "trainer.total_timesteps": 3000.0}, curve=curve_of(BAD, upto=0.3))
    assert protein.suggest().origin == "protein"


def test_where_the_best_runs_start_late_a_run_is_not_ended_for_what_they_had_not_by_then_either():
    """A jump that comes to some and not to others, and tells nothing of itself before: sparse rewards."""
    protein = Protein(PARAMETERS, seed=1)
    for at, params in enumerate(points(16, seed=3)):
        jumps = at % 4 == 0
        curve = [(s, 1.0 if jumps and s > 0.7 else 0.001 * ((7 * at + round(10 * s)) % 5), 10 * s) for s in SHARES]
        protein.observe(params, score=curve[-1][1], cost=10.0, curve=curve)
    for params in points(6, seed=8):
        for upto in (1, 3, 6):
            flat = [(s, 0.002, 10 * s) for s in SHARES[:upto]]
            assert protein.outlook(params, curve=flat).action == "continue"


def test_late_starters_whose_early_reports_are_noise_are_not_ended_for_it():
    """Reports wander at random until a jump at 70%, so that no rank before it means anything."""
    rng = np.random.default_rng(4)

    def wandering(params, upto=1.0):
        noise = 0.3 * rng.standard_normal(len(SHARES))
        jump = [final_of(params) if share > 0.65 else -1.0 for share in SHARES]
        return [(s, j + n, 10 * s) for s, j, n in zip(SHARES, jump, noise, strict=True) if s <= upto + 1e-9]

    protein = Protein(PARAMETERS, seed=1)
    for params in points(12, seed=3):
        curve = wandering(params)
        protein.observe(params, score=curve[-1][1], cost=10.0, curve=curve)
    near = [{"lr": 1e-3 * 2.0**at, "gamma": 0.95} for at in (-1.0, 0.0, 1.0)]
    actions = [protein.outlook(p, curve=wandering(p, upto)).action for p in near for upto in (0.2, 0.3, 0.5)]
    assert actions == ["continue"] * len(actions)


def test_a_run_that_is_not_behind_goes_on_however_small_its_chance(knowing):
    middle = np.median([curve_of(params)[1][1] for params in points(12)]) + 0.01
    ahead = [(share, max(metric, middle), cost) for share, metric, cost in curve_of(BAD, upto=0.2)]
    told = knowing.outlook(BAD, curve=ahead)
    assert told.chance < 0.3
    assert told.action == "continue"
    assert "not below the median" in told.reason


def test_what_was_ended_is_thought_better_of_once_its_neighbours_win_from_as_low_a_start():
    low = [(share, metric - 0.2, cost) for share, metric, cost in curve_of(GOOD, upto=0.2)]
    protein = learned([(verb, lesson) for verb, lesson in lessons(count=9) if verb == "observe"])
    protein.observe_partial(GOOD, curve=low)
    protein.observe_partial(BAD, curve=curve_of(BAD, upto=0.2))
    before = protein.reconsider([GOOD, BAD])
    for factor in (0.8, 1.25):
        near = {"lr": GOOD["lr"] * factor, "gamma": 0.95}
        curve = [(share, metric - 0.2 * (share <= 0.2), cost) for share, metric, cost in curve_of(near)]
        protein.observe(near, score=curve[-1][1], cost=10.0, curve=curve)
    after = protein.reconsider([GOOD, BAD])
    assert after[0].chance > 2.0 * before[0].chance
    assert (before[0].action, after[1].action) == ("pause", "pause")


def test_a_run_that_was_ended_though_it_is_likely_to_win_is_worth_going_on_with():
    protein = learned([(verb, lesson) for verb, lesson in lessons(count=9) if verb == "observe"])
    protein.observe_partial(GOOD, curve=[(s, 1.5 * m, cost) for s, m, cost in curve_of(GOOD, upto=0.5)])
    (told,) = protein.reconsider([GOOD])
    assert told.action == "continue"
    assert told.final[1] < told.final[0] < told.final[2]


def test_nothing_is_reconsidered_before_a_run_has_finished():
    protein = Protein(PARAMETERS, seed=0)
    protein.observe_partial(GOOD, curve=curve_of(GOOD, upto=0.2))
    assert protein.reconsider([GOOD]) == []
    assert learned(lessons()).reconsider([]) == []


def test_a_run_that_went_on_is_known_once_whatever_the_order():
    told = [(verb, lesson) for verb, lesson in lessons() if verb == "observe"]
    curve = curve_of(GOOD)
    whole = ("observe", {"params": GOOD, "score": curve[-1][1], "cost": 10.0, "curve": curve})
    partly = [("observe_partial", {"params": GOOD, "curve": curve[:upto]}) for upto in (2, 5)]
    alone, first, last = learned([*told, whole]), learned([*told, *partly, whole]), learned([*told, whole, *partly])
    assert first.suggest() == last.suggest() == alone.suggest()
    assert first._history().count == alone._history().count
    again = learned([*told, *partly])
    assert again._history().ended_money == pytest.approx(0.5)


def test_two_runs_of_one_point_that_report_the_same_both_count():
    curve = curve_of(GOOD)
    protein = Protein(PARAMETERS, seed=0)
    for _ in range(2):
        protein.observe(GOOD, score=curve[-1][1], cost=10.0, curve=curve)
    assert len(protein._curves.runs) == 2


@pytest.mark.slow
@pytest.mark.parametrize(("runs", "limit_s"), [(50, 0.2), (200, 1.0)])
def test_an_outlook_takes_a_moment(runs, limit_s):
    """Twice what was seen when it was measured: 50 curves of ten reports took 0.1 CPU-seconds at most, 200 took 0.5."""
    protein = Protein(PARAMETERS, seed=0)
    for params in points(runs):
        curve = curve_of(params)
        protein.observe(params, score=curve[-1][1], cost=10.0, curve=curve)
    protein.outlook(GOOD, curve=curve_of(GOOD, upto=0.3))
    protein.observe_partial(BAD, curve=curve_of(BAD, upto=0.3))
    started = time.process_time()
    protein.outlook(GOOD, curve=curve_of(GOOD, upto=0.3))
    assert time.process_time() - started < limit_s


@pytest.mark.parametrize(("told", "speaks"), [(0.05, True), (0.15, False), (0.9, False)])
def test_reports_that_settle_less_than_a_tenth_of_the_end_end_no_run(told, speaks):
    from metta_sweep.optimize.protein.worth import _for_it

    assert ("too little" in _for_it(0.1, told)) is speaks


def ended_for_one_parameter(seed):
    """Ten runs where the first of eight parameters is right, and 22 that are ended at a fifth of their length."""
    names = [f"p{i}" for i in range(8)]
    protein = Protein({name: {"min": 0.0, "max": 1.0, "distribution": "uniform"} for name in names})
    rng = np.random.default_rng(seed)
    for i in range(32):
        params = {name: rng.random() for name in names}
        params["p0"] = 0.3 + 0.2 * rng.random() if i < 10 else params["p0"]
        final = (1.0 if params["p0"] < 0.6 else 0.2) + 0.1 * rng.standard_normal()
        curve = [(at, final * at**2 + 0.02 * rng.standard_normal(), at) for at in (0.2, 0.4, 0.6, 0.8, 1.0)]
        if i < 10:
            protein.observe(params, score=curve[-1][1], cost=1.0, curve=curve)
        else:
            protein.observe_partial(params, curve[:1])
    return protein


@pytest.mark.slow
def test_which_parameter_makes_runs_bad_is_not_forgotten_where_only_ended_ones_tell():
    by_curves, by_scores = [], []
    for protein in map(ended_for_one_parameter, range(3)):
        for found, lengths in ((by_curves, protein._curves.lengths), (by_scores, None)):
            geometry, history = Geometry.of(protein.space), protein._history()
            rng, nothing = np.random.default_rng(0), np.zeros((0, 8))
            fitted = MetricModel.fit(geometry, history, nothing, 6, rng, lengths=lengths)
            found.append(fitted.observed.hypers.theta[:, 0].mean())
    assert np.mean(by_curves) < np.mean(by_scores) - 0.2


def test_nothing_is_told_of_lengthscales_before_a_run_was_ended():
    protein = learned(lesson for lesson in lessons() if lesson[0] == "observe")
    assert protein._curves.lengths is None
    protein.observe_partial(GOOD, curve_of(GOOD, upto=0.2))
    assert protein._curves.lengths.shape == (protein.space.dim,)


def test_what_curves_tell_of_lengthscales_is_where_the_surrogate_looks_first():
    told = np.array([-1.0, 0.5])
    priors, usual = (Priors.of(Geometry(unordered=(0, 3)), lengths=lengths) for lengths in (told, None))
    assert priors.mean[:2] == pytest.approx(told)
    assert (priors.deviation[:2] < usual.deviation[:2]).all()
    assert (priors.mean[2:] == usual.mean[2:]).all()


def test_what_mattered_is_learned_from_runs_that_were_ended_too():
    """Only good learning rates trained to their end: that others are worse is known from runs that were ended."""
    protein = Protein(PARAMETERS, seed=0)
    for params in points(40):
        curve = curve_of(params)
        if abs(math.log10(params["lr"]) + 3.0) < 0.3:
            protein.observe(params, score=curve[-1][1], cost=10.0, curve=curve)
        else:
            protein.observe_partial(params, curve[:3])
    found = protein.insight()
    assert found.points == 40
    assert found.importances[0].name == "lr"
    assert found.importances[0].low > 0.8


class TestManyCurves:
    """The process is conditioned on so many curves as it has time for."""

    @pytest.fixture(autouse=True)
    def few(self, monkeypatch):
        monkeypatch.setattr(known_curves, "MOST", 16)

    def taught(self, order=1):
        protein = Protein(PARAMETERS, seed=0)
        for verb, lesson in list(lessons(count=60))[::order]:
            getattr(protein, verb)(**lesson)
        return protein

    def test_the_best_and_what_covers_the_space_are_known_whatever_the_order(self):
        one, other = self.taught(), self.taught(order=-1)
        _, known = one._curves._model()
        assert len(known) == 16
        assert 1 <= sum(run.ended for run in known) <= 8
        best = max((run for run in one._curves.runs if not run.ended), key=lambda run: run.reports[-1][1])
        assert best.codes in {run.codes for run in known}
        assert one.suggest() == other.suggest()

    def test_a_run_is_ranked_among_all_of_them(self):
        protein = self.taught()
        middling = sorted(points(60), key=final_of)[40]
        outlook = protein.outlook(middling, curve_of(middling, upto=0.3))
        assert outlook.action == "continue"
        assert "not below the median" in outlook.reason
