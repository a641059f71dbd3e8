// What the steps of an unlock take in C, for scale. Compiled with one of: nothing (an empty program), -DKEY, -DCOPY.

#ifdef KEY
#include <openssl/evp.h>

int main(void) {
  unsigned char key[32];
  const unsigned char salt[32] = {0};
  return PKCS5_PBKDF2_HMAC("bench passphrase", -1, salt, sizeof salt, 100000, EVP_sha256(), sizeof key, key) != 1;
}

#elif defined COPY
#include <stdlib.h>
#include <string.h>

#define SIZE 60000000

int main(void) {
  char *from = malloc(SIZE), *to = malloc(SIZE);
  if (from == NULL || to == NULL) return 1;
  memset(from, 1, SIZE);
  memcpy(to, from, SIZE);
  // Read, so that the compiler leaves nothing out.
  return *(volatile char *)(to + SIZE - 1) != 1;
}

#else
int main(void) { return 0; }
#endif
