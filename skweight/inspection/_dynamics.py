"""TrainingDynamicsDisplay: loss, accuracy and weights from epoch to epoch."""

from skweight.inspection._base import BLUE, VERMILION, Display, find_fitted, ink, panels

# What a panel shows, by the label of its axis: keys of the history, and labels of their curves where there are several.
_PANELS: dict[str, dict] = {
    "loss\n(nats per row)": {"train_loss": "training rows", "valid_loss": "held-out real rows"},
    "accuracy on\nheld-out real rows": {"valid_accuracy": None},
    "weight of a row": {"weight_mean": "mean", "weight_max": "largest"},
    "effective sample\nsize (rows)": {"effective_sample_size": None},
}
_FROM_ZERO = "weight", "effective"  # of which a small change must look small


class TrainingDynamicsDisplay(Display):
    """Loss, accuracy on held-out real rows, weights and their effective sample size by epoch.

    Use :meth:`from_estimator`, with any classifier of this package, or :meth:`from_history`. Accuracy is there with
    early stopping only, and so is a dotted line at the epoch that was kept.

    :meth:`frame` has a row for each epoch: ``epoch``, and of ``train_loss``, ``valid_loss``, ``valid_accuracy``,
    ``weight_mean``, ``weight_max`` and ``effective_sample_size`` those that the history has.

    Parameters
    ----------
    history : list of dict
        One dictionary per epoch.
    best_epoch : int, default=None
        Epoch that was kept, counted from 1.

    Attributes
    ----------
    axes_ : list of matplotlib Axes
        The panels. Set by :meth:`plot`.
    ax_, figure_ : matplotlib Axes and Figure
        The Axes in whose place the panels are, and which is not visible itself; its figure. Set by :meth:`plot`.

    Examples
    --------
    >>> from skweight.inspection import TrainingDynamicsDisplay
    >>> history = [{"train_loss": 0.7, "weight_mean": 1.0}, {"train_loss": 0.5, "weight_mean": 0.8}]
    >>> TrainingDynamicsDisplay.from_history(history)
    epoch  train loss  weight mean
    1             0.7            1
    2             0.5          0.8
    """

    def __init__(self, history, best_epoch=None):
        self.history = history
        self.best_epoch = best_epoch

    @classmethod
    def from_history(cls, history, *, best_epoch=None):
        """Build from a history.

        Parameters
        ----------
        history : list of dict
            One dictionary per epoch, as in ``history_``.
        best_epoch : int, default=None
            Epoch that was kept, counted from 1.

        Returns
        -------
        display : TrainingDynamicsDisplay

        Raises
        ------
        ValueError
            If there is no epoch.
        """
        history = list(history)
        if not history:
            raise ValueError(
                "The history has no epoch: nothing was trained. OpinionPoolClassifier trains with student=True."
            )
        return cls(history, best_epoch)

    @classmethod
    def from_estimator(cls, estimator):
        """Build from the history of a fitted classifier.

        Parameters
        ----------
        estimator : classifier, Pipeline or search
            Fitted. The last step of a pipeline and the best estimator of a search are looked into.

        Returns
        -------
        display : TrainingDynamicsDisplay

        Raises
        ------
        NotFittedError
            If it is not fitted.
        TypeError
            If there is no classifier of this package inside.
        ValueError
            If it has trained no epoch.
        """
        otherwise = "Pass a list of dictionaries to TrainingDynamicsDisplay.from_history."
        inner = find_fitted(estimator, "history_", otherwise=otherwise)
        return cls.from_history(inner.history_, best_epoch=getattr(inner, "best_epoch_", None))

    def _columns(self):
        names = [name for panel in _PANELS.values() for name in panel if name in self.history[0]]
        columns = {name: [epoch[name] for epoch in self.history] for name in names}
        return {"epoch": list(range(1, len(self.history) + 1)), **columns}

    def _lines(self):
        columns = self._columns()
        rows = zip(*columns.values(), strict=True)
        return [[name.replace("_", " ") for name in columns], *([f"{value:.4g}" for value in row] for row in rows)]

    def _shown(self):
        """Return the panels that there is something to show in."""
        columns = self._columns()
        return {title: names for title, names in _PANELS.items() if names.keys() & columns.keys()}

    def _figure_size(self):
        return 7.5, 2.3 * -(-len(self._shown()) // 2)

    def _draw(self, ax):
        from matplotlib.ticker import MaxNLocator

        columns, shown = self._columns(), self._shown()
        grid = panels(ax, -(-len(shown) // 2), min(2, len(shown)))
        drawn = [ax.figure.add_subplot(grid[divmod(i, 2)]) for i in range(len(shown))]
        for panel, (title, names) in zip(drawn, shown.items(), strict=True):
            for (name, label), colour, marker in zip(names.items(), (BLUE, VERMILION), "os", strict=False):
                if name in columns:
                    panel.plot(columns["epoch"], columns[name], color=colour, marker=marker, markersize=4, label=label)
            if self.best_epoch is not None:
                kept = "epoch that was kept" if panel is drawn[0] else None
                panel.axvline(self.best_epoch, color=ink(ax), linestyle=":", label=kept, zorder=0)
            panel.xaxis.set_major_locator(MaxNLocator(integer=True))
            panel.set_xlabel("epoch")
            panel.set_ylabel(title)
            if title.startswith(_FROM_ZERO):
                panel.set_ylim(0, 1.1 * max(max(columns[name]) for name in names if name in columns))
            if panel.get_legend_handles_labels()[0]:
                place = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0}
                panel.legend(fontsize="small", frameon=False, ncols=2, columnspacing=1, **place)
        return drawn
