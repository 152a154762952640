"""The claims by name. The help of `kvae reproduce` lists them: nothing heavy is imported here."""

CLAIMS = {
    "mnist-reconstructions": "kvae.reproduction.reference.reconstructions:MNIST_RECONSTRUCTIONS",
    "frey-sigmoid": "kvae.reproduction.reference.sigmoid:FREY_SIGMOID",
    "mnist-latents": "kvae.reproduction.reference.latent_sizes:MNIST_LATENTS",
    "mnist-best-latent": "kvae.reproduction.reference.latent_sizes:MNIST_BEST_LATENT",
    "mnist-tsne": "kvae.reproduction.reference.clusters:MNIST_TSNE",
    "samples": "kvae.reproduction.reference.samples:SAMPLES",
    "frey-collapse": "kvae.reproduction.reference.collapse:FREY_COLLAPSE",
    "mnist-converges-faster": "kvae.reproduction.reference.convergence:MNIST_CONVERGES_FASTER",
    "paper-figure-2": "kvae.reproduction.paper:PAPER_FIGURE_2",
    "paper-figure-3": "kvae.reproduction.paper:PAPER_FIGURE_3",
    "paper-figures-4-5": "kvae.reproduction.paper:PAPER_FIGURES_4_5",
    "families": "kvae.reproduction.families:FAMILIES",
}
"""`module:attribute` of each `Claim`, in the order of the report."""
