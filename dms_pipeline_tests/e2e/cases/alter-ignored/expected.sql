SELECT array_agg(a ORDER BY a) = '{{1,2}}' FROM {schema}.t;
SELECT count(*) = 2 FROM information_schema.columns WHERE table_schema = '{schema}' AND table_name = 't'
