SELECT count(*) = 1 FROM {schema}.t;
SELECT count(*) = 1 FROM {schema}.other
