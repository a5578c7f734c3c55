"""``python -m benchmarks`` runs every benchmark there is; each prints its table and keeps it in results/."""

from benchmarks import theft

theft.main()
