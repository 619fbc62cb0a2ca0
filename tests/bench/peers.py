#!/usr/bin/python3
"""scikit-learn and PyTorch beside sgdlab, on the same numbers and one thread each, in turn, several times, because a machine's
speed drifts. Called by peers.sh, which says what is compared; a peer that is not installed is left out."""
import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

import numpy

try:
    import sklearn
    from sklearn.datasets import load_svmlight_file
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import SGDClassifier
except ImportError:
    sklearn = None
try:
    import torch
except ImportError:
    torch = None

SKIPPED = 77


def digits(sgdlab, *classes):
    """The standardised matrix itself, as sgdlab prepares it."""
    text = subprocess.run([sgdlab, "data", "digits", *classes, "--intercept", "no", "--csv"], check=True,
                          stdout=subprocess.PIPE, text=True).stdout.splitlines()
    rows = numpy.loadtxt(text[1:], delimiter=",")
    return numpy.ascontiguousarray(rows[:, :-1]), rows[:, -1]


# ---- linear models, scikit-learn ----

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


def linear(arguments):
    """Logistic loss, one sample a step, constant rate, no intercept: SGDClassifier beside the rows of sgdlab bench."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    peers = [("dense logistic, digits, m=1", *digits(arguments.sgdlab, "--positive", "8"), 0.0, 0.002)]
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


# ---- a neural network, PyTorch ----

HIDDEN, CLASSES, BATCH, LANES = 32, 10, 32, 16
RATES = [round(0.02 * 1.1 ** k, 6) for k in range(LANES)]
EXPERIMENT = f"""\
problem: {{type: mlp, hidden: [{HIDDEN}], activation: relu, data: digits}}
sampling: with_replacement
batch_size: {BATCH}
budget: {{steps: STEPS}}
replicates: 1
timing: packed
sweep: {{schedule: [{{type: constant, rate: {RATES}}}]}}
record: {{points: 2, metrics: [loss]}}
"""


def train(x, y, rate, steps):
    """Microseconds a step, and the loss on all samples after them."""
    network = torch.nn.Sequential(torch.nn.Linear(x.shape[1], HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, CLASSES))
    network.to(x.dtype)
    optimizer = torch.optim.SGD(network.parameters(), lr=rate)
    loss = torch.nn.CrossEntropyLoss()

    def run(count):
        for _ in range(count):
            index = torch.randint(len(x), (BATCH,))
            optimizer.zero_grad(set_to_none=True)
            loss(network(x[index]), y[index]).backward()
            optimizer.step()

    run(50)
    start = time.perf_counter()
    run(steps)
    taken = time.perf_counter() - start
    with torch.no_grad():
        return taken / steps * 1e6, loss(network(x), y).item()


def lanes(sgdlab, steps):
    """The same of sgdlab: all rates side by side, training seconds of each run's share; the losses of all."""
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "network.yaml"), "w") as file:
            file.write(EXPERIMENT.replace("STEPS", str(steps)))
        out = os.path.join(folder, "results")
        subprocess.run([sgdlab, "run", file.name, "--out", out, "--threads", "1", "--quiet"], check=True)
        subprocess.run([sgdlab, "export", out], check=True, stdout=subprocess.DEVNULL)
        with open(os.path.join(out, "network", "runs.csv"), newline="") as file:
            runs = list(csv.DictReader(file))
    if len(runs) != LANES or any(int(run["lanes"]) != LANES for run in runs):
        sys.exit(f"peers.py: {LANES} lanes side by side were wanted, not {[run['lanes'] for run in runs]}")
    seconds = statistics.mean(float(run["train_seconds"]) for run in runs)
    return seconds / steps * 1e6, [float(run["loss"]) for run in runs]


def network(arguments):
    """Digits, one hidden layer of relu, softmax cross-entropy, 32 samples a step drawn with replacement, constant rate."""
    torch.set_num_threads(1)
    x, y = digits(arguments.sgdlab, "--task", "multiclass")
    kinds = {"float32": torch.float32, "float64": torch.float64}
    theirs, ours, ratio, losses = {}, [], {}, []
    for repetition in range(arguments.repetitions):
        torch.manual_seed(repetition)
        mine, reached = lanes(arguments.sgdlab, arguments.steps)
        ours.append(mine)
        losses += reached
        for name, kind in kinds.items():
            taken, loss = train(torch.tensor(x, dtype=kind), torch.tensor(y, dtype=torch.long), RATES[LANES // 2],
                                arguments.steps)
            theirs.setdefault(name, []).append(taken)
            ratio.setdefault(name, []).append(taken / mine)
            losses.append(loss)
    if not max(losses) < 0.3:
        sys.exit(f"peers.py: a network learnt nothing (losses up to {max(losses)}); its speed means nothing")
    print(f"{x.shape[1]}-{HIDDEN}-{CLASSES} network, digits, m={BATCH}, microseconds for one step of one network; medians "
          f"(smallest-largest) of {arguments.repetitions} repetitions of {arguments.steps} steps in turn")
    for name, times in theirs.items():
        print(f"{f'PyTorch {torch.__version__}, one at a time; {name}':<48} {spread(times)}")
    print(f"{f'sgdlab, {LANES} lanes; float64':<48} {spread(ours)}   " + ", ".join(
        f"{statistics.median(r):.1f} x PyTorch's {name} ({min(r):.1f}-{max(r):.1f})" for name, r in ratio.items()))


def spread(values):
    return f"{statistics.median(values):8.1f} ({min(values):.1f}-{max(values):.1f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sgdlab", help="the program")
    parser.add_argument("w8a", nargs="?", help="w8a or w8a.gz; default: $SGDLAB_EXTRA_DATA/w8a.gz")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="at least, for one fit of a linear model (default 0.5)")
    parser.add_argument("--steps", type=int, default=2000, help="of each network (default 2000)")
    parser.add_argument("--only", choices=["linear", "network"], help="one of the two comparisons")
    arguments = parser.parse_args()
    done = 0
    for name, compare, library, package in (("linear", linear, sklearn, "scikit-learn (Debian: python3-sklearn)"),
                                            ("network", network, torch, "PyTorch (Debian: python3-torch)")):
        if arguments.only in (None, name):
            if library:
                compare(arguments)
                done += 1
            else:
                print(f"SKIP: {package} is not installed")
    sys.exit(0 if done else SKIPPED)


if __name__ == "__main__":
    main()
