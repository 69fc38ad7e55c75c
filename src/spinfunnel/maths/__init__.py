"""Arrays in, arrays out: spectra, random matrices, heavy tails, initialisations; sources cited."""
