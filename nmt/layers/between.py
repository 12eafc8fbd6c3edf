"""What stands between the layers of a stack, in encoders, decoders and language models alike."""

from torch import Tensor, nn

from nmt.layers.dropout import Dropout


class Between(nn.Module):
    """Layer normalisation and dropout on the way into a layer, its residual on the way out.

    Layer i > 0 reads drop(LN_i(x_i)) and gives x_{i+1} = y_i + x_i, where y_i is its own output: the
    residual of GNMT (Wu et al. 2016, §3.1) around every layer but the first, whose input is of another
    kind and mostly of another width. The normalisation (Ba et al. 2016) stands inside the residual branch,
    so that x passes from the second layer to the top as it is.
    """

    def __init__(
        self, width: int, layers: int, *, dropout: Dropout, residual: bool, layer_norm: bool
    ) -> None:
        super().__init__()
        self.dropout, self.residual = dropout, residual
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(layers - 1)) if layer_norm else None

    def into(self, layer: int, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return what a layer reads of x (…, width), the first x itself; mask is what `masks` drew for it."""
        if not layer:
            return x
        if self.norms is not None:
            x = self.norms[layer - 1](x)
        return self.dropout.drop(x, training=self.training) if mask is None else x * mask

    def out_of(self, layer: int, x: Tensor, y: Tensor) -> Tensor:
        """Return what a layer passes on, given what came to it, x, and its own output y."""
        return x + y if self.residual and layer else y

    def masks(self, like: Tensor, layers: int) -> list[Tensor | None]:
        """Return for a loop over positions the mask (N, W) of each layer above the first, to hold in all."""
        return [self.dropout.mask(like, training=self.training) for _ in range(layers - 1)]
