"""Tests of the loss of distillation: 0 apart from a teacher with equal logits, and of one size at any temperature."""

import pytest
import torch

from petmood.models.classifier import ExpressionClassifier, OptimizationConfig
from petmood.models.distillation import Teacher
from tests.support.images import faces
from tests.support.networks import tiny_network

IMAGES = torch.from_numpy(faces(8, side_px=32)).permute(0, 3, 1, 2)
TEACHER = tiny_network(seed=3)
HARD = torch.tensor(0.7)


def teacher(*, temperature: float = 4.0, weight: float = 1.0, side_px: int = 32) -> Teacher:
    """Return a teacher with a tiny network."""
    return Teacher(TEACHER, side_px, temperature, weight)


def test_equal_logits_leave_the_share_of_the_labels() -> None:
    logits = TEACHER(IMAGES).detach()
    for weight in (0.0, 0.25, 1.0):
        assert teacher(weight=weight).loss(logits, IMAGES, HARD) == pytest.approx((1 - weight) * 0.7, abs=1e-5)


def test_without_weight_the_teacher_counts_nothing() -> None:
    assert teacher(weight=0).loss(torch.randn(8, 4), IMAGES, HARD) == pytest.approx(0.7)


def test_the_loss_falls_as_the_student_comes_nearer_and_gradients_reach_the_student_alone() -> None:
    theirs = TEACHER(IMAGES).detach()
    far, near = (teacher().loss(scale * theirs, IMAGES, HARD) for scale in (0.0, 0.8))
    assert 0 < near < far
    student = torch.zeros_like(theirs, requires_grad=True)
    teacher().loss(student, IMAGES, HARD).backward()  # type: ignore[no-untyped-call] # torch has no annotation
    assert student.grad is not None
    assert student.grad.abs().sum() > 0
    assert all(weight.grad is None for weight in TEACHER.parameters())


def test_gradients_are_of_one_size_at_high_temperatures() -> None:
    sizes = []
    for temperature in (10.0, 40.0):
        student = torch.zeros(8, 4, requires_grad=True)
        teacher(temperature=temperature).loss(student, IMAGES, HARD).backward()  # type: ignore[no-untyped-call] # as above
        assert student.grad is not None
        sizes.append(student.grad.norm().item())
    assert sizes[0] == pytest.approx(sizes[1], rel=0.2)


def test_a_teacher_of_another_size_gets_images_of_its_own() -> None:
    larger = teacher(side_px=48).loss(torch.zeros(8, 4), IMAGES, HARD)
    assert torch.isfinite(larger)
    assert larger != teacher().loss(torch.zeros(8, 4), IMAGES, HARD)


def test_the_teacher_is_in_no_checkpoint_and_is_not_trained() -> None:
    module = ExpressionClassifier(tiny_network(), OptimizationConfig(1), teacher=teacher())
    alone = ExpressionClassifier(tiny_network(), OptimizationConfig(1))
    assert set(module.state_dict()) == set(alone.state_dict())
    assert len([*module.parameters()]) == len([*alone.parameters()])
