\\ Writes digests of the prime factors of random numbers, as PARI finds them: gp -q digests.gp >digests.tsv </dev/null
\\ Columns: bits of the numbers, number of numbers, digest. tests/pari.rs computes the same digests.
modulus = 2^61 - 1;
report(bits, last) = {
  my(state = bits, digest = 0, n, f);
  for (count = 1, last,
    n = 0;
    for (word = 1, bits / 32,
      state = (state * 6364136223846793005 + 1442695040888963407) % 2^64;
      n = n * 2^32 + state \ 2^32);
    f = factor(max(n, 1));
    for (row = 1, matsize(f)[1],
      for (times = 1, f[row, 2], digest = (digest * 1000003 + f[row, 1]) % modulus));
    digest = (digest * 1000003 + 1) % modulus;
    if (count == 1000 || count == 10000 || count == 100000, print(bits, "\t", count, "\t", digest)));
}
report(32, 100000);
report(64, 100000);
report(96, 100000);
report(128, 100000);
