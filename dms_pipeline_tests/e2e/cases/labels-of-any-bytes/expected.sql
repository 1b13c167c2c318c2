SELECT count(*) = 3 FROM {schema}.t;
SELECT count(*) = 1 FROM {schema}.t WHERE e = 'é😀' AND k = 2
