import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.security.AlgorithmParameters;
import java.security.KeyStore;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.Security;
import java.security.Signature;
import java.security.cert.Certificate;
import java.security.cert.X509Certificate;
import java.security.spec.MGF1ParameterSpec;
import java.security.spec.PSSParameterSpec;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.bouncycastle.asn1.ASN1Primitive;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.asn1.x509.DigestInfo;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaCertStore;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cms.CMSCompressedDataGenerator;
import org.bouncycastle.cms.CMSCompressedDataParser;
import org.bouncycastle.cms.CMSCompressedDataStreamGenerator;
import org.bouncycastle.cms.CMSProcessableByteArray;
import org.bouncycastle.cms.CMSSignedData;
import org.bouncycastle.cms.CMSSignedDataGenerator;
import org.bouncycastle.cms.CMSSignedDataStreamGenerator;
import org.bouncycastle.cms.SignerInfoGenerator;
import org.bouncycastle.cms.SignerInformation;
import org.bouncycastle.cms.jcajce.JcaSignerInfoGeneratorBuilder;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.cms.jcajce.ZlibCompressor;
import org.bouncycastle.cms.jcajce.ZlibExpanderProvider;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.openssl.jcajce.JcaPEMKeyConverter;
import org.bouncycastle.operator.ContentSigner;
import org.bouncycastle.operator.DefaultDigestAlgorithmIdentifierFinder;
import org.bouncycastle.operator.DefaultSignatureAlgorithmIdentifierFinder;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.operator.jcajce.JcaDigestCalculatorProviderBuilder;

/**
 * Bouncy Castle as a judge of signatures, compression and PKCS#12. It is given one file with a case per line, so that Java
 * starts once:
 *
 *   sign     IN OUT CERT KEY ALGORITHM FORMS     ALGORITHM "SHA256withRSA" and the like, "PSS:SHA-256:20" with the bytes of
 *                                                 salt, or "BARE:SHA-256" for PKCS#1 v1.5 and a DigestInfo without NULL;
 *                                                 FORMS joined with + from detached, opaque, stream, noattr, keyid
 *   verify   SIGNATURE CONTENT CERT FORM          FORM detached or opaque
 *   compress IN OUT FORM                          FORM whole or stream
 *   expand   IN OUT
 *   p12      OUT TYPE PASSWORD CERT KEY           TYPE as in KeyStore.getInstance
 *   p12read  IN TYPE PASSWORD CERT
 *
 * It prints a line per case, "ok" or "fail" and why, and ends with 0.
 */
public class BcSign {
    public static void main(String[] args) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        for (String line : Files.readAllLines(Paths.get(args[0]))) {
            String result = "ok";
            try {
                run(line.split("\t"));
            } catch (Throwable e) {
                result = "fail " + String.valueOf(e).replace('\n', ' ');
            }
            System.out.println(result);
        }
    }

    static void run(String[] a) throws Exception {
        switch (a[0]) {
            case "sign":
                sign(read(a[1]), Paths.get(a[2]), certificate(a[3]), key(a[4]), a[5], Arrays.asList(a[6].split("\\+")));
                break;
            case "verify":
                verify(read(a[1]), read(a[2]), certificate(a[3]), a[4].equals("opaque"));
                break;
            case "compress":
                compress(read(a[1]), Paths.get(a[2]), a[3].equals("stream"));
                break;
            case "expand":
                try (InputStream in = Files.newInputStream(Paths.get(a[1])); OutputStream out = Files.newOutputStream(Paths.get(a[2]))) {
                    new CMSCompressedDataParser(in).getContent(new ZlibExpanderProvider()).getContentStream().transferTo(out);
                }
                break;
            case "p12":
                KeyStore made = KeyStore.getInstance(a[2], "BC");
                made.load(null, null);
                made.setKeyEntry("us", key(a[5]), a[3].toCharArray(), new Certificate[] {certificate(a[4])});
                try (OutputStream out = Files.newOutputStream(Paths.get(a[1]))) {
                    made.store(out, a[3].toCharArray());
                }
                break;
            case "p12read":
                KeyStore store = KeyStore.getInstance(a[2], "BC");
                try (InputStream in = Files.newInputStream(Paths.get(a[1]))) {
                    store.load(in, a[3].toCharArray());
                }
                String alias = store.aliases().nextElement();
                if (store.getKey(alias, a[3].toCharArray()) == null || !store.getCertificate(alias).equals(certificate(a[4]))) {
                    throw new IllegalStateException("no key, or another certificate");
                }
                break;
            default:
                throw new IllegalArgumentException(a[0]);
        }
    }

    static void sign(byte[] content, Path out, X509Certificate cert, PrivateKey key, String algorithm, List<String> forms) throws Exception {
        JcaSignerInfoGeneratorBuilder info = new JcaSignerInfoGeneratorBuilder(new JcaDigestCalculatorProviderBuilder().setProvider("BC").build());
        info.setDirectSignature(forms.contains("noattr"));
        ContentSigner signer = signer(algorithm, key);
        SignerInfoGenerator generator = forms.contains("keyid")
            ? info.build(signer, identifier(cert))
            : info.build(signer, new X509CertificateHolder(cert.getEncoded()));
        if (forms.contains("stream")) {
            CMSSignedDataStreamGenerator stream = new CMSSignedDataStreamGenerator();
            stream.addSignerInfoGenerator(generator);
            stream.addCertificates(new JcaCertStore(Arrays.asList(cert)));
            try (OutputStream file = Files.newOutputStream(out); OutputStream inner = stream.open(file, forms.contains("opaque"))) {
                inner.write(content);
            }
            return;
        }
        CMSSignedDataGenerator whole = new CMSSignedDataGenerator();
        whole.addSignerInfoGenerator(generator);
        whole.addCertificates(new JcaCertStore(Arrays.asList(cert)));
        Files.write(out, whole.generate(new CMSProcessableByteArray(content), forms.contains("opaque")).getEncoded());
    }

    /** The subject key identifier that the certificate states. */
    static byte[] identifier(X509Certificate cert) throws Exception {
        return org.bouncycastle.asn1.x509.SubjectKeyIdentifier
            .fromExtensions(new X509CertificateHolder(cert.getEncoded()).getExtensions()).getKeyIdentifier();
    }

    static ContentSigner signer(String algorithm, PrivateKey key) throws Exception {
        String[] p = algorithm.split(":");
        if (p[0].equals("PSS")) {
            AlgorithmParameters params = AlgorithmParameters.getInstance("PSS", "BC");
            params.init(new PSSParameterSpec(p[1], "MGF1", new MGF1ParameterSpec(p[1]), Integer.parseInt(p[2]), 1));
            Signature signature = Signature.getInstance("RSASSA-PSS", "BC");
            signature.setParameter(params.getParameterSpec(PSSParameterSpec.class));
            signature.initSign(key);
            return new Signing(new AlgorithmIdentifier(PKCSObjectIdentifiers.id_RSASSA_PSS, ASN1Primitive.fromByteArray(params.getEncoded())), content -> {
                signature.update(content);
                return signature.sign();
            });
        }
        if (p[0].equals("BARE")) {
            AlgorithmIdentifier id = new DefaultSignatureAlgorithmIdentifierFinder().find(p[1].replace("-", "") + "withRSA");
            AlgorithmIdentifier digest = new AlgorithmIdentifier(new DefaultDigestAlgorithmIdentifierFinder().find(id).getAlgorithm());
            Signature signature = Signature.getInstance("NONEwithRSA", "BC");
            signature.initSign(key);
            return new Signing(id, content -> {
                signature.update(new DigestInfo(digest, MessageDigest.getInstance(p[1]).digest(content)).getEncoded());
                return signature.sign();
            });
        }
        return new JcaContentSignerBuilder(algorithm).setProvider("BC").build(key);
    }

    interface Maker {
        byte[] sign(byte[] content) throws Exception;
    }

    /** A signer for what JcaContentSignerBuilder has no name for. */
    static final class Signing implements ContentSigner {
        private final AlgorithmIdentifier id;
        private final Maker maker;
        private final ByteArrayOutputStream content = new ByteArrayOutputStream();

        Signing(AlgorithmIdentifier id, Maker maker) {
            this.id = id;
            this.maker = maker;
        }

        @Override
        public AlgorithmIdentifier getAlgorithmIdentifier() {
            return id;
        }

        @Override
        public OutputStream getOutputStream() {
            return content;
        }

        @Override
        public byte[] getSignature() {
            try {
                return maker.sign(content.toByteArray());
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        }
    }

    static void verify(byte[] signature, byte[] content, X509Certificate cert, boolean opaque) throws Exception {
        CMSSignedData data = opaque ? new CMSSignedData(signature) : new CMSSignedData(new CMSProcessableByteArray(content), signature);
        if (opaque) {
            ByteArrayOutputStream inner = new ByteArrayOutputStream();
            data.getSignedContent().write(inner);
            if (!Arrays.equals(inner.toByteArray(), content)) {
                throw new IllegalStateException("other content");
            }
        }
        int signers = 0;
        for (SignerInformation s : data.getSignerInfos().getSigners()) {
            if (!s.getSID().match(new X509CertificateHolder(cert.getEncoded()))) {
                throw new IllegalStateException("it does not name the certificate");
            }
            if (!s.verify(new JcaSimpleSignerInfoVerifierBuilder().setProvider("BC").build(cert))) {
                throw new IllegalStateException("it does not verify");
            }
            signers++;
        }
        if (signers != 1) {
            throw new IllegalStateException(signers + " signers");
        }
    }

    static void compress(byte[] content, Path out, boolean stream) throws Exception {
        if (!stream) {
            Files.write(out, new CMSCompressedDataGenerator().generate(new CMSProcessableByteArray(content), new ZlibCompressor()).getEncoded());
            return;
        }
        try (OutputStream file = Files.newOutputStream(out); OutputStream inner = new CMSCompressedDataStreamGenerator().open(file, new ZlibCompressor())) {
            inner.write(content);
        }
    }

    static byte[] read(String path) throws Exception {
        return Files.readAllBytes(Paths.get(path));
    }

    static final Map<String, Object> parsed = new HashMap<>();

    static Object pem(String path) throws Exception {
        Object known = parsed.get(path);
        if (known == null) {
            try (Reader r = Files.newBufferedReader(Paths.get(path)); PEMParser p = new PEMParser(r)) {
                known = p.readObject();
            }
            parsed.put(path, known);
        }
        return known;
    }

    static X509Certificate certificate(String path) throws Exception {
        return new JcaX509CertificateConverter().getCertificate((X509CertificateHolder) pem(path));
    }

    static PrivateKey key(String path) throws Exception {
        return new JcaPEMKeyConverter().getPrivateKey((PrivateKeyInfo) pem(path));
    }
}
