SELECT array_agg(a ORDER BY a) = '{{1,3}}' FROM {schema}.t
