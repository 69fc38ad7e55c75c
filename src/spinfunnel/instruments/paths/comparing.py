"""Which ways are looked at between the networks there are, and how high each climbs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from spinfunnel.core import Array, Effort, seeds
from spinfunnel.instruments.paths.measuring import Profile, lowest, profile, within_error
from spinfunnel.instruments.paths.ways import IMAGES, Way, chain, curve, straight
from spinfunnel.networks.alignment import aligned
from spinfunnel.networks.batch_statistics import FEW, normalises, renormalised
from spinfunnel.networks.symmetry import symmetry
from spinfunnel.subject import Subject

#: Points at which a way is measured, by effort.
POINTS: dict[Effort, int] = {"quick": 11, "normal": 25, "full": 51}
#: CPU seconds to spend on bent ways, and on measuring all, by effort; how often a chain is made finer.
SECONDS: dict[Effort, float] = {"quick": 6.0, "normal": 30.0, "full": 240.0}
MEASURING: dict[Effort, float] = {"quick": 6.0, "normal": 30.0, "full": 600.0}
CYCLES: dict[Effort, int] = {"quick": 1, "normal": 2, "full": 4}
#: Gradients that a curve gets at least and at most, and iterations of each cycle of a chain.
CURVE, CHAIN = (50, 600), (30, 300)
#: What a cycle takes beside its iterations, in gradients: curvatures at the ends, and a fine look at it all.
EXTRA = 120
#: Where fewer gradients than this can be afforded, ways are bent on some of the examples; and where measuring
#: takes too long, it is on some: at least so many.
WANTED, FEWEST = 500, 256

BEGIN, LINE, SHUFFLED, BACK = (
    "from the first weights",
    "straight line",
    "shuffled copy",
    "shuffled copy, aligned",
)
FROZEN, CURVED, RELAXED = "straight line, the first's BatchNorm statistics", "Bezier curve", "elastic band"
ALIGNED = {"weights": "aligned by weights", "activations": "aligned by activations"}


class Comparison:
    """The ways between the networks a subject supplies, measured one after the other.

    Attributes:
        few: the loss, over no more examples than can be afforded.
        system: the same, with batch normalisation by the statistics of each batch.
        training, held_out: profiles by the name of the way.
        units: the symmetries of the network.
        cosines: of the angles between the ends of a way, by its name.
        began: where the first weights are from. other: where the second network is from.
        doubts: what was left out.
    """

    def __init__(self, subject: Subject, seed: int, budget: float | None) -> None:
        """Measure from the first weights, to a copy of the network itself, and to a second network."""
        self.subject, self.seed = subject, seed
        self.deadline = np.inf if budget is None else time.process_time() + budget
        self.doubts: list[str] = []
        few, examples = subject.system, subject.system.examples
        if (seen := affordable(subject, subject.effort)) < examples:
            few = subject.system.few(seen, seeds(seed, "few"))
            self.doubts.append(
                f"ways are measured on {seen:,} of {examples:,} examples: more effort takes more"
            )
        self.few, self.system = few, renormalised(few)
        self.bent_on = self.system.examples
        held = subject.held_out
        self.held = None if held is None else renormalised(held.few(seen, seeds(seed, "held out")))
        self.training: dict[str, Profile] = {}
        self.held_out: dict[str, Profile] = {}
        self.cosines: dict[str, float] = {}
        self.began = self.other = ""
        if normalises(subject.system) and (small := min(self.system.counts)) < FEW:
            self.doubts.append(
                f"BatchNorm takes its statistics from batches of {small} examples, which are noisy: give "
                f"batches of {FEW} or more"
            )
        self.units = symmetry(self.system, seeds(seed, "symmetry"))
        self.doubts += self.units.doubts
        self._from_the_first_weights()
        self._to_itself()
        self._to_another()

    def _look(self, way: Way) -> None:
        points = POINTS[self.subject.effort]
        self.cosines[way.name] = _cosine(way.knots[0], way.knots[-1])
        self.training[way.name] = profile(self.system, way, points, errors=self.held is None)
        if self.held is not None:
            self.held_out[way.name] = profile(self.held, way, points, errors=True)

    def _late(self, what: str) -> bool:
        late = time.process_time() > self.deadline
        if late:
            self.doubts.append(f"{what} was not looked at: the budget was spent; raise it")
        return late

    def _from_the_first_weights(self) -> None:
        subject = self.subject
        if subject.history is not None:
            begin, self.began = subject.system.flat(subject.history.mapping(0)), "recorded"
        elif subject.build is not None:
            begin, self.began = self.system.random(1, seeds(self.seed, "begin"))[0], "drawn afresh"
        else:
            return
        self._look(straight(BEGIN, begin, self.system.native))

    def _to_itself(self) -> None:
        """What is one network twice, with its units in other places, is the null of what alignment does."""
        if not self.units.groups or self._late("the shuffled copy"):
            return
        a = self.system.native
        copy = self.units.copy(self.system, a, seeds(self.seed, "copy"))
        self._look(straight(SHUFFLED, a, copy))
        back = [straight(BACK, a, w) for w in self._aligned(a, copy).values()]
        self._look(lowest([profile(self.system, way, 3) for way in back]).way)

    def _to_another(self) -> None:
        b = self._second()
        if b is None or self._late("the second network"):
            return
        a = self.system.native
        self._look(straight(LINE, a, b))
        if normalises(self.subject.system):
            way = straight(FROZEN, a, b)
            self.cosines[FROZEN] = _cosine(a, b)
            self.training[FROZEN] = profile(self.few, way, POINTS[self.subject.effort])
        if self.units.groups:
            for method, w in self._aligned(a, b).items():
                self._look(straight(ALIGNED[method], a, w))
        if within_error(self.training[LINE].barrier):
            return  # there is nothing to walk around
        for name, bend in self._bent(a, b):
            if bend is None:
                cost = f"a gradient takes {self.system.seconds:.2g} s"
                self.doubts.append(f"no {name} was looked for, as {cost}: more effort allows more of them")
            elif not self._late(name):
                way = bend()
                if np.isfinite(way.knots).all():
                    self._look(way)
                else:
                    self.doubts.append(f"the {name} came to where the loss is not finite, and is left out")

    def _aligned(self, a: Array, b: Array) -> dict[str, Array]:
        return aligned(self.system, a, b, seeds(self.seed, "align"), self.units)

    def _second(self) -> Array | None:
        """Give the weights of another network: the one to compare with, or one that is trained now."""
        subject = self.subject
        if subject.other is not None:
            self.other = "given"
            return np.asarray(subject.other)
        if subject.train_fn is None or subject.effort != "full":
            return None
        self.other = "trained now"
        trained = subject.train_fn(seeds(self.seed, "train") % 2**31)
        named = {name: value.detach().float().cpu().numpy() for name, value in trained.named_parameters()}
        return np.asarray(subject.system.flat(named))

    def _bent(self, a: Array, b: Array) -> Iterator[tuple[str, Callable[[], Way] | None]]:
        """Share out the gradients that can be afforded: the curve first, then the chain; None if too few."""
        system, examples = self.system, self.system.examples
        gradients = SECONDS[self.subject.effort] / system.seconds
        if gradients < WANTED and examples > FEWEST:
            self.bent_on = max(FEWEST, int(examples * gradients / WANTED))
            system = system.few(self.bent_on, seeds(self.seed, "bend"))
            gradients *= examples / self.bent_on
        least, most = CURVE
        share = min(most, int(gradients / 3))
        yield CURVED, None if share < least else partial(curve, CURVED, system, a, b, share)
        bent = self.training.get(CURVED)
        if bent is not None and within_error(bent.barrier) and self.subject.effort != "full":
            return  # a way is found: a second one would prove nothing more
        gradients -= 0 if bent is None else bent.way.gradients
        least, most = CHAIN
        for cycles in range(CYCLES[self.subject.effort], 0, -1):
            images = IMAGES + cycles - 1  # with those that are added, on average
            iterations = min(most, int((gradients / cycles - EXTRA) / images))
            if iterations >= least:
                yield RELAXED, partial(chain, RELAXED, system, a, b, iterations, cycles)
                return
        yield RELAXED, None


def _cosine(x: Array, y: Array) -> float:
    return float(np.vdot(x, y) / max(float(np.linalg.norm(x) * np.linalg.norm(y)), 1e-300))


def affordable(subject: Subject, effort: Effort) -> int:
    """Give how many examples ways can be measured on in the time there is, a few hundred at least."""
    examples: int = subject.system.examples
    return min(examples, max(FEWEST, int(examples * MEASURING[effort] / _measuring(subject, effort))))


def _measuring(subject: Subject, effort: Effort) -> float:
    """Estimate CPU seconds to measure on all examples: 0.4 gradients a point, and so on held-out data."""
    gradient: float = subject.system.seconds
    if subject.held_out is not None:
        gradient *= 1 + min(1, subject.held_out.examples / subject.system.examples)
    return 0.4 * gradient * POINTS[effort] * (9 if _two(subject, effort) else 3)


def _two(subject: Subject, effort: Effort) -> bool:
    return subject.other is not None or (effort == "full" and subject.train_fn is not None)


def seconds(subject: Subject, effort: Effort) -> float:
    """Estimate CPU seconds."""
    share: float = affordable(subject, effort) / subject.system.examples
    return share * _measuring(subject, effort) + SECONDS[effort] * _two(subject, effort)
