"""A reward for speech that is to sound a certain way, and which of several takes to keep.

For training and for choosing among the takes of a text-to-speech system. Everything from samples to
scores is torch, so that the reward has gradients.

A score is a model's guess at what raters would say, and raters differ: two of them agree only so
far (`emonet-voice evaluate` prints the ceiling beside every score). **Differences between rewards
that are smaller than that noise are no signal.** A system that is trained on them learns the
model's quirks, and in the end speech that scores well and sounds wrong. `tolerance` keeps small
differences out; listen to what wins.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from numbers import Real
from typing import Any

import torch

from .audio import SAMPLE_RATE
from .configuration_empathic import HeadError, canonical
from .frontend_empathic import HOP, N_FFT, front_end
from .mixing_empathic import LOUDEST, MIN_DURATION_S, check_rate
from .speech_empathic import log_mel_of
from .stacks_empathic import probabilities
from .taxonomy import UserError

BEYOND = 0.25
"""How far beyond its head's scale a target may be, as a share of it."""


class Reward:
    """`reward(audio, sampling_rate, target)`: how near speech comes to what was wanted.

    Args:
        model: An `EmpathicInsightModel`. Its weights are frozen, in evaluation mode; load it in
            float32, since gradients in half precision vanish.

    Example:
        >>> from modeling_empathic import NANO, EmpathicInsightModel
        >>> model = EmpathicInsightModel.from_pretrained(NANO, dtype=torch.float32)
        >>> reward = Reward(model)
        >>> takes = 0.1 * torch.randn(2, 24_000, generator=torch.manual_seed(0))
        >>> _ = takes.requires_grad_()
        >>> values = reward(takes, 24_000, {"Anger": 3.0, "Fear": 0.0})
        >>> values.shape, bool((values <= 0).all())
        (torch.Size([2]), True)
        >>> values.sum().backward()
        >>> bool(takes.grad.abs().sum() > 0)
        True
    """

    def __init__(self, model: Any):
        self.model = model.eval().requires_grad_(False)
        extractor = front_end(model.config)
        self._n_samples = extractor.n_samples
        self._mel = torch.from_numpy(extractor.mel_filters).float()  # (bins, mel_bins)

    def __call__(
        self,
        audio: torch.Tensor,
        sampling_rate: int,
        target: Mapping[str, float],
        lengths: Sequence[int] | torch.Tensor | None = None,
        tolerance: float = 0.0,
    ) -> torch.Tensor:
        """The reward of each take.

        Args:
            audio: `(batch, samples)` or `(samples,)`, mono in [-1, 1], at most as long as the model
                reads (30 s).
            sampling_rate: In Hz.
            target: Wanted scores by head, in any spelling, on each head's own scale (emotions: 0 to
                4); other heads do not count.
            lengths: Samples of each take, of which the rest is padding; default all.
            tolerance: By how much a score may miss its target without loss, on the head's scale:
                the raters' noise.

        Returns:
            `(batch,)` float32: minus the mean over the target's heads of how far the score is
            from it, as a share of the head's scale. 0 is what was wanted; differentiable in
            `audio`.

        Raises:
            UserError: No target, one far beyond its head's scale, a negative tolerance, audio of
                another shape, or a take that is no sound: digital silence, not finite, far beyond
                [-1, 1], shorter than 25 ms or longer than the model reads.
            AudioError: A sampling rate that there is not.
            HeadError: A head that the model does not have.
        """
        positions, wanted = self._target(target)
        _check_tolerance(tolerance)
        scores = self.scores(audio, sampling_rate, lengths)[:, positions]
        scales = torch.tensor([self.model.config.heads[i]["scale"] for i in positions])
        spans = (scales[:, 1] - scales[:, 0]).to(scores)
        missed = ((scores - wanted.to(scores)).abs() - tolerance).clamp(min=0)
        reward: torch.Tensor = -(missed / spans).mean(dim=1)
        return reward

    def scores(
        self,
        audio: torch.Tensor,
        sampling_rate: int,
        lengths: Sequence[int] | torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Scores `(batch, heads)` of takes, with gradients; arguments as of the reward.

        Of a classifier they are probabilities.
        """
        if not isinstance(audio, torch.Tensor):
            raise UserError(f"audio is a {type(audio).__name__}: give a torch tensor")
        audio = audio[None] if audio.ndim == 1 else audio
        if audio.ndim != 2 or not audio.is_floating_point() or not audio.numel():
            raise UserError(
                f"audio of shape {tuple(audio.shape)} and type {audio.dtype}: give floats of shape "
                "(batch, samples)"
            )
        sampling_rate = check_rate(sampling_rate, "audio")
        n_all: Any = [audio.shape[1]] * len(audio) if lengths is None else lengths
        with suppress(TypeError, ValueError, RuntimeError):  # of words, of lists of any length
            n_all = torch.as_tensor(n_all).tolist()
        if (
            not isinstance(n_all, list)
            or len(n_all) != len(audio)
            or not all(type(n) is int and 0 < n <= audio.shape[1] for n in n_all)
        ):
            raise UserError(
                f"lengths {n_all!r:.200}: give one of 1 to {audio.shape[1]} for each of "
                f"{len(audio)} takes"
            )
        rows = []
        for number, (take, n) in enumerate(zip(audio, n_all, strict=True)):
            _check_sound(take[:n].detach(), sampling_rate, number)
            features = self._features(resampled(take[:n].float(), sampling_rate))
            inputs = features[None].to(self.model.device)
            rows.append(self.model(input_features=inputs).logits[0])
        return probabilities(torch.stack(rows).float(), self.model.config.problem_type)

    def _target(self, target: Mapping[str, float]) -> tuple[list[int], torch.Tensor]:
        names = self.model.config.head_names
        if not target or not isinstance(target, Mapping):
            raise UserError(f"target: name at least one head of {', '.join(names)}, and its score")
        wanted: dict[int, float] = {}
        for name, value in target.items():
            if not isinstance(name, str) or canonical(name) not in names:
                raise HeadError(f"target: no head {name!r}; there are {', '.join(names)}")
            position = names.index(canonical(name))
            if position in wanted:
                raise UserError(f"target: {canonical(name)} is wanted twice")
            try:
                wanted[position] = float(value)
            except (TypeError, ValueError):
                wanted[position] = float("nan")
            low, high = self.model.config.heads[position]["scale"]
            # Scores are not clamped, and another clip's may be wanted; 8 is of 0 to 10, not 0 to 4.
            beyond = BEYOND * (high - low)
            if not low - beyond <= wanted[position] <= high + beyond:
                raise UserError(
                    f"target: {name} is to be {value!r}, which is no score from {low:g} to {high:g}"
                )
        return list(wanted), torch.tensor(list(wanted.values()))

    def _features(self, samples: torch.Tensor) -> torch.Tensor:
        """Log-mel features `(mel_bins, frames)`, as `WhisperFeatureExtractor` makes them."""
        if len(samples) > self._n_samples:
            raise UserError(
                f"audio of {len(samples) / SAMPLE_RATE:.6g} s: at most "
                f"{self._n_samples / SAMPLE_RATE:g} s are read; cut it"
            )
        padded = torch.nn.functional.pad(samples, (0, self._n_samples - len(samples)))
        window = torch.hann_window(N_FFT, device=samples.device)
        spectrum = torch.stft(padded, N_FFT, HOP, window=window, return_complex=True)[:, :-1]
        # Not abs() ** 2, whose gradient at 0, of all the padding, is NaN.
        power = spectrum.real.square() + spectrum.imag.square()
        return log_mel_of((self._mel.to(power).T @ power)[None])[0]


def _check_tolerance(tolerance: Any) -> None:
    real = isinstance(tolerance, Real) and not isinstance(tolerance, bool)
    if not real or not tolerance >= 0:  # nor is NaN
        raise UserError(f"tolerance {tolerance!r}: choose 0 or more")


def _check_sound(take: torch.Tensor, sampling_rate: int, number: int) -> None:
    """Refuses a take whose score would say nothing, as `load_audio` does."""
    if len(take) < MIN_DURATION_S * sampling_rate:
        raise UserError(f"take {number}: shorter than {MIN_DURATION_S} s")
    peak = float(take.abs().max())
    if not peak and not take.isnan().any():
        raise UserError(f"take {number}: digital silence, which has no score")
    if not peak < LOUDEST:  # nor is NaN
        advice = "; divide 16-bit integers by 32768" if 100 < peak <= 32768 else ""
        raise UserError(f"take {number}: samples reach {peak:g}, but sound lies in [-1, 1]{advice}")


def resampled(samples: torch.Tensor, sampling_rate: int) -> torch.Tensor:
    """Samples `(n,)` at 16 kHz by their spectrum: differentiable, and nothing beyond 8 kHz folds.

    Args:
        samples: At `sampling_rate`.
        sampling_rate: In Hz.

    Example:
        >>> resampled(torch.ones(24_000), 24_000).shape
        torch.Size([16000])
    """
    if check_rate(sampling_rate, "samples") == SAMPLE_RATE:
        return samples
    # Padded to whole tenths of a second, for which the number of samples is whole at both rates.
    step = sampling_rate // 10 if sampling_rate % 10 == 0 else sampling_rate
    padded = torch.nn.functional.pad(samples, (0, -len(samples) % step + step))
    n_out = len(padded) * SAMPLE_RATE // sampling_rate
    spectrum = torch.fft.rfft(padded)
    kept = min(len(spectrum), n_out // 2 + 1)
    spectrum = torch.nn.functional.pad(spectrum[:kept], (0, n_out // 2 + 1 - kept))
    out: torch.Tensor = torch.fft.irfft(spectrum, n=n_out) * (n_out / len(padded))
    return out[: -(-len(samples) * SAMPLE_RATE // sampling_rate)]


def best_of(
    rewards: Sequence[float] | torch.Tensor,
    tolerance: float,
    doubtful: Sequence[bool] | None = None,
) -> int:
    """Which of several takes to keep: a rule for best-of-N.

    Takes whose sound makes their scores doubtful (`quality_empathic.judge` says something) are left
    out unless all are doubtful. Of the rest, rewards within `tolerance` of the highest count as
    equal, since such differences are the raters' noise, and of equal takes the first is kept: give
    them in the order in which you would choose without rewards, the system's likeliest first.
    Choosing the highest of many instead finds the take that the model is most wrong about.

    Args:
        rewards: Of each take, higher is better; NaN for one that could not be scored.
        tolerance: Differences up to this are none; on the scale of the rewards.
        doubtful: Of each take, whether to doubt it.

    Returns:
        The number of the take.

    Raises:
        UserError: There is no take with a reward, or a negative tolerance.

    Example:
        >>> best_of([-0.30, -0.11, -0.10, -0.02], tolerance=0.05, doubtful=[0, 0, 0, 1])
        1
    """
    _check_tolerance(tolerance)
    try:
        given = [torch.as_tensor(each, dtype=torch.float64).detach() for each in rewards]
    except (TypeError, ValueError):  # of one number, or of what is none
        given = []
    if not given or any(reward.ndim for reward in given):
        raise UserError("rewards: give one number for each take")
    values = [float(reward) for reward in given]
    doubtful = None if doubtful is None else [bool(each) for each in doubtful]
    if doubtful is not None and len(doubtful) != len(values):
        raise UserError(f"doubtful has {len(doubtful)} takes, rewards {len(values)}")
    scored = [i for i, value in enumerate(values) if value == value]
    if not scored:
        raise UserError("rewards: no take has one")
    kept = [i for i in scored if not (doubtful and doubtful[i])] or scored
    highest = max(values[i] for i in kept)
    # The highest is one of them, also where it is infinite.
    return next(i for i in kept if values[i] == highest or values[i] >= highest - tolerance)
