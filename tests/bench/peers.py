#!/usr/bin/python3
"""scikit-learn's SGDClassifier beside sgdlab bench, on the same numbers: logistic loss, one sample a step, constant rate,
no intercept. Both are run in turn, several times, because a machine's speed drifts. Called by peers.sh."""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import warnings

import numpy
import sklearn
from sklearn.datasets import load_svmlight_file
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import SGDClassifier


def digits(sgdlab):
    """The standardised matrix itself, as sgdlab prepares it."""
    text = subprocess.run([sgdlab, "data", "digits", "--positive", "8", "--intercept", "no", "--csv"], check=True,
                          stdout=subprocess.PIPE, text=True).stdout.splitlines()
    rows = numpy.loadtxt(text[1:], delimiter=",")
    return numpy.ascontiguousarray(rows[:, :-1]), rows[:, -1]


def fit(x, y, l2, rate, seconds):
    """Million sample gradients per second of fits that take at least this long, after one short fit."""
    def one(epochs):
        model = SGDClassifier(loss="log_loss", penalty="l2" if l2 else None, alpha=l2 or 1e-4, fit_intercept=False,
                              max_iter=epochs, tol=None, shuffle=True, random_state=1, learning_rate="constant", eta0=rate)
        start = time.perf_counter()
        model.fit(x, y)
        return time.perf_counter() - start, model

    taken, _ = one(1)
    epochs = 2
    while True:
        taken, model = one(epochs)
        if taken >= seconds:
            break
        epochs = max(2 * epochs, int(1.2 * epochs * seconds / max(taken, 1e-6)))
    loss = numpy.logaddexp(0, -y * model.decision_function(x)).mean()
    if not loss < 0.9 * numpy.log(2):
        sys.exit(f"peers.py: scikit-learn learnt nothing (loss {loss}); its speed means nothing")
    return epochs * x.shape[0] / taken / 1e6


def bench(sgdlab, title):
    out = subprocess.run([sgdlab, "bench", "--json", "--repetitions", "3", "--only", title], check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    return {row["title"]: row["per_second"]["median"] / 1e6 for row in json.loads(out)["rows"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sgdlab", help="the program")
    parser.add_argument("w8a", nargs="?", help="w8a or w8a.gz; default: $SGDLAB_EXTRA_DATA/w8a.gz")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="at least, for one fit (default 0.5)")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    peers = [("dense logistic, digits, m=1", *digits(arguments.sgdlab), 0.0, 0.002)]
    path = arguments.w8a
    if not path and os.environ.get("SGDLAB_EXTRA_DATA"):
        path = os.path.join(os.environ["SGDLAB_EXTRA_DATA"], "w8a.gz")
    if path and os.path.exists(path):
        os.environ["SGDLAB_DATA"] = os.path.dirname(os.path.abspath(path))
        peers.append(("sparse logistic + L2, w8a, m=1", *load_svmlight_file(path, n_features=300), 1e-4, 0.1))
    else:
        print("w8a is left out: name its file, or a folder that holds w8a.gz as SGDLAB_EXTRA_DATA")
    # titles end in "1 lane; avx512" and so on
    theirs, ours, ratio = {}, {}, {}
    for _ in range(arguments.repetitions):
        for work, x, y, l2, rate in peers:
            now = fit(x, y, l2, rate, arguments.seconds)
            theirs.setdefault(work, []).append(now)
            for title, speed in bench(arguments.sgdlab, work).items():
                ours.setdefault(work, {}).setdefault(title, []).append(speed)
                ratio.setdefault(title, []).append(speed / now)
    print(f"scikit-learn {sklearn.__version__}, million sample gradients per second; medians of {arguments.repetitions} "
          "repetitions in turn")
    for work, speeds in theirs.items():
        print(f"{work + '; scikit-learn':<48} {statistics.median(speeds):8.1f}")
        for title, mine in ours[work].items():
            print(f"{title:<48} {statistics.median(mine):8.1f}   {statistics.median(ratio[title]):6.1f} x scikit-learn "
                  f"({min(ratio[title]):.1f}-{max(ratio[title]):.1f})")


if __name__ == "__main__":
    main()
