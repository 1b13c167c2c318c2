SELECT count(*) = 1 FROM {schema}.n;
SELECT count(*) = 1 FROM public.awsdms_apply_exceptions WHERE "TABLE_OWNER" = '{schema}' AND "ERROR" LIKE '%.n, column k, key (a\\x00b): %before %:%';
SELECT count(*) = 1 FROM {schema}.w;
SELECT count(*) = 1 FROM public.awsdms_apply_exceptions WHERE "TABLE_OWNER" = '{schema}' AND "ERROR" LIKE '%.w, column u, key (é😀): %before %:%';
SELECT count(*) = 1 FROM {schema}.b;
SELECT count(*) = 1 FROM public.awsdms_apply_exceptions WHERE "TABLE_OWNER" = '{schema}' AND "ERROR" LIKE '%.b, column u, key (\\x0100ff00): %before %:%';
SELECT count(*) = 1 FROM {schema}.e;
SELECT count(*) = 1 FROM public.awsdms_apply_exceptions WHERE "TABLE_OWNER" = '{schema}' AND "ERROR" LIKE '%.e, column u, key (y): %before %:%';
SELECT count(*) = 1 FROM {schema}.d;
SELECT count(*) = 1 FROM public.awsdms_apply_exceptions WHERE "TABLE_OWNER" = '{schema}' AND "ERROR" LIKE '%.d, column k, key (0000-00-00): %before %:%'
