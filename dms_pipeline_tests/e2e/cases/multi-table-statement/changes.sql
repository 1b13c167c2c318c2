UPDATE a JOIN b USING (k) SET a.v = b.v, b.v = 0 WHERE k = 1;
DELETE a, b FROM a JOIN b USING (k) WHERE a.k = 2;
INSERT INTO a SELECT k + 10, v FROM b;
