"""What each kind of model computes from a batch when the true tokens before a position are given."""

from typing import NamedTuple

from torch import Tensor, nn

from nmt.data.batches import Batch
from nmt.models import LanguageModel, Seq2Seq, Source, Tagger
from nmt.shapes import Bool, Float, Int
from nmt.tokenization.vocabulary import EOS


class TeacherForced(NamedTuple):
    """What a loss over the vocabulary needs of a model and a batch.

    features are the head's input, `each` of them where a loss reads several of a token. mask: True = a real
    token. auxiliary: what the model itself adds to the loss, summed over the real tokens.
    """

    features: Float[Tensor, "B Ty *each F"]
    head: nn.Module
    targets: Int[Tensor, "B Ty"]
    mask: Bool[Tensor, "B Ty"]
    auxiliary: Float[Tensor, ""]


def translate_forced(model: Seq2Seq, batch: Batch) -> TeacherForced:
    """Return the features of each target token; the auxiliary loss is the attention's."""
    output = model(Source(batch.src, batch.src_len), batch.trg_in)
    auxiliary = model.decoder.attention.penalty(output.alignment, batch.trg_mask)
    return TeacherForced(output.features, model.head, batch.trg_out, batch.trg_mask, auxiliary)


def read_forced(model: LanguageModel, batch: Batch) -> TeacherForced:
    """Return the features of each token of a text; the state of each row moves on to the next window."""
    carried = batch.recurrent
    before = carried.enter(batch.indices) if carried else None
    features, state = model(batch.trg_in, None if before is None else model.unflat(before))
    if carried:
        carried.leave(batch.indices, model.flat(state))
    return TeacherForced(features, model.head, batch.trg_out, batch.trg_mask, features.new_zeros(()))


def label_forced(model: Tagger, batch: Batch) -> TeacherForced:
    """Return the features of each label. </s> is not a label and is masked."""
    features = model(Source(batch.src, batch.src_len))  # (B, Ty, H)
    labels = batch.trg_out[:, : features.shape[1]]
    return TeacherForced(features, model.head, labels, labels > EOS, features.new_zeros(()))
