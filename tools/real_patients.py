"""What the network is worth on the real patients: python tools/real_patients.py [the published zip or csv].

Chapter 5 shows this table. No test runs it, as it needs the published data set: without a path it is fetched.
"""

import sys

from fpcourse import download, load, logistic_regression, patients, risk_of, train
from fpcourse.training import compare

if __name__ == "__main__":
    real = load(*sys.argv[1:] or [download()])
    training, validation, held_out = real.split(0.6, 0.2, 0.2)
    run = train(training, validation)
    made_up = train(*patients(20_000, seed=1).split(0.8, 0.2))
    print(f"{len(real.y):,} patients, {real.y.mean():.1%} readmitted; {len(held_out.y):,} held out; epoch {run.best}")
    risks = {
        "this network": risk_of(run.at(run.best), held_out.X),
        "logistic regression": logistic_regression(training, held_out.X),
        "this network, trained on 16,000 made-up patients": risk_of(made_up.at(made_up.best), held_out.X),
        "this network, untrained": risk_of(run.at(0), held_out.X),
    }
    print(compare(risks, held_out.y))
