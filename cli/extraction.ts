// Extraction, loaded and made ready while the key is derived, so that nothing has to be loaded when it is.

/** To be called early. */
export async function loadExtraction(): Promise<typeof import('../lib/extract.ts')> {
  const extraction = await import('../lib/extract.ts');
  await extraction.prepareGunzip();
  return extraction;
}
